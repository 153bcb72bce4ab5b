"""Attempts: the deployment a call has a seat at is asked, and another one when that fails before its first byte."""

import asyncio
import logging
from time import perf_counter
from typing import Protocol

from puyun.arbiter.interface import Arbiter
from puyun.arbiter.lease import Lease
from puyun.catalog.snapshot import SoldModel
from puyun.claim import Claim
from puyun.egress.connect import ConnectFailedError
from puyun.egress.target import Target
from puyun.gateway.admit import Admission
from puyun.gateway.running import Call
from puyun.gateway.upstream import Connection, Pool, UpstreamClosedError, UpstreamLostError, UpstreamTimeoutError
from puyun.kit.errors import PuyunError
from puyun.metering.experience import Experience
from puyun.providers.echo import EchoAnswer
from puyun.providers.failure import classify, no_capacity, upstream_error, upstream_timeout
from puyun.providers.pressure import OVERLOADED, exhausted_of, retry_after, room_of
from puyun.scheduler.attempt import ABANDONED, OK, Signal, SignalKind
from puyun.scheduler.lane import Facts
from puyun.system import crash

ERROR_BODY_MAX = 64 * 1024
TELL_SECONDS = 5.0

FAILED = Signal(SignalKind.FAILED)

log = logging.getLogger("puyun.upstream")


class Answer(Protocol):
    """An upstream's answer whose head has come."""

    headers: dict[bytes, bytes]

    @property
    def finished(self) -> bool: ...
    async def read(self) -> bytes: ...
    async def read_all(self, limit: int) -> bytes: ...
    def close(self, reason: Exception | None = None) -> None: ...


class Attempt:
    """One try at a deployment, and the answer that came of it. `release` gives the connection back, exactly once."""

    __slots__ = ("_lease", "_serial", "answer", "target")

    def __init__(self, target: Target, lease: Lease) -> None:
        self.target = target
        self.answer: Connection | EchoAnswer | None = None
        self._lease = lease
        self._serial = lease.serial

    @property
    def seated(self) -> bool:
        """Whether the call still has the seat that this attempt was made on."""
        return bool(self._lease.lane) and self._lease.serial == self._serial

    def release(self, pool: Pool) -> None:
        self._lease.on_preempted = None
        if isinstance(self.answer, Connection):
            pool.release(self.target, self.answer)
        self.answer = None

    def break_off(self) -> None:
        """Its seat was taken away."""
        if self.answer is not None:
            self.answer.close(UpstreamLostError("the seat was taken away"))


class Dispatcher:
    """Gets calls their seats and asks one deployment after another until one begins to answer."""

    def __init__(self, arbiter: Arbiter, pool: Pool, *, first_byte: float, idle: float, comment: float) -> None:
        """Seconds: patience with a provider before its first byte and between two, and how soon a waiting stream is told
        that it waits.
        """
        self._arbiter = arbiter
        self._pool = pool
        self._first_byte = first_byte
        self._idle = idle
        self._comment = comment
        self._told_at: dict[int, float] = {}
        self._targets: dict[int, Target] = {}
        self._lanes: dict[int, tuple[int, ...]] = {}

    @property
    def targets(self) -> dict[int, Target]:
        """Deployments that can be called: their secret is there."""
        return self._targets

    @targets.setter
    def targets(self, targets: dict[int, Target]) -> None:
        self._targets = targets
        self._lanes = {}

    def lanes_of(self, sold: SoldModel) -> tuple[int, ...]:
        """A model's deployments that can be called, in the catalogue's order."""
        lanes = self._lanes.get(sold.id)
        if lanes is None:
            lanes = tuple(candidate.id for candidate in sold.candidates if candidate.id in self._targets)
            self._lanes[sold.id] = lanes
        return lanes

    # --- a seat --------------------------------------------------------------------------------------------------
    def acquire(self, admission: Admission, call_id: int, experience: Experience) -> Lease:
        """Past the limits and onto a seat, or into the queue, or to a refusal that `enter` raises. Raises PuyunError
        where nobody can be asked.
        """
        key, facts = admission.key, admission.facts
        lanes = self.lanes_of(admission.sold)
        if not lanes:
            raise no_capacity(admission.tier, "No deployment of this model can be called at the moment.")
        inputs, outputs = experience.likely(facts)
        claim = Claim(
            call_id,
            key.org,
            key.id,
            admission.tier,
            admission.sold.id,
            lanes,
            inputs,
            outputs,
            facts.grows,
            admission.max_wait,
            admission.priority,
            admission.address or None,
        )
        return self._arbiter.acquire(claim)

    async def knock(self, address: str) -> PuyunError | None:
        """A request whose sender is not known: the error if its network address has sent too many."""
        return await self._arbiter.knock(address) if address else None

    async def enter(self, call: Call) -> None:
        """Onto a seat, in its turn. Raises PuyunError 429, 503; UpstreamClosedError when the client left meanwhile."""
        if not call.lease.lane:
            await self._wait(call)

    async def _wait(self, call: Call) -> None:
        """For a seat. A stream that waits long is told so, in comments that clients skip."""
        exchange, lease = call.exchange, call.lease
        if exchange.disconnected:
            raise UpstreamClosedError
        exchange.on_gone = lambda: lease.give_up(UpstreamClosedError())
        told = _Told(call, self._comment) if call.stream else None
        try:
            await lease.seat()
        finally:
            exchange.on_gone = None
            if told is not None:
                told.cancel()

    # --- an attempt ----------------------------------------------------------------------------------------------
    async def open(self, call: Call) -> Attempt:
        """An attempt whose answer has status 200. Raises PuyunError when none is to be had, UpstreamClosedError when
        the client left meanwhile.
        """
        lease = call.lease
        failed: PuyunError | None = None
        while True:
            if not lease.lane:
                try:
                    await self._wait(call)
                except PuyunError as refused:
                    raise failed or refused from None
            target = self._targets.get(lease.lane)
            if target is None:
                lease.elsewhere(FAILED)
                continue
            call.attempts += 1
            attempt = Attempt(target, lease)
            lease.on_preempted = attempt.break_off
            try:
                error, signal = await self._attempt(call, attempt)
            except BaseException:
                attempt.release(self._pool)
                raise
            if error is None and attempt.seated:
                return attempt
            attempt.release(self._pool)
            if not attempt.seated:  # taken away meanwhile: what became of the attempt is no matter
                continue
            failed = error
            if signal is ABANDONED:
                raise failed or upstream_error("The upstream provider did not answer.")
            lease.elsewhere(signal)

    async def _attempt(self, call: Call, attempt: Attempt) -> tuple[PuyunError | None, Signal]:
        """Send the call; None when the answer begins well, else what went wrong, and what that says of the lane."""
        target = attempt.target
        body = call.body_for(target)
        if target.echo:
            attempt.answer = EchoAnswer(call.path, body, call.request_id, stream=call.stream)
            return None, OK
        try:
            connection = await self._pool.open(target)
            attempt.answer = connection
            call.watch(connection)
            connection.send(_head(call, target, len(body)) + body, first_byte=self._first_byte, idle=self._idle)
            crash.reached("call-sent")
            status = await connection.response()
            crash.reached("answer-begun")
            if room := room_of(connection.headers):
                self._arbiter.observe(target.id, Facts(limit=room.limit, remaining=room.remaining))
            if status == 200:
                return None, OK
            problem = await connection.read_all(ERROR_BODY_MAX)
        except ConnectFailedError as error:
            self._tell(target, str(error))
            return upstream_error("The upstream provider cannot be reached."), FAILED
        except UpstreamLostError:
            return upstream_error("The upstream provider closed the connection before it answered."), FAILED
        except UpstreamTimeoutError:
            return upstream_timeout("The upstream provider did not answer in time."), FAILED
        refusal = classify(status, problem, target.secrets, _retry_after(connection), call.tier)
        return refusal.error, _signal(status, connection) if refusal.elsewhere else ABANDONED

    def _tell(self, target: Target, why: str) -> None:
        """Once every few seconds for one deployment, however many calls fail."""
        now = perf_counter()
        if now - self._told_at.get(target.id, -TELL_SECONDS) >= TELL_SECONDS:
            self._told_at[target.id] = now
            log.warning("connect_failed", extra={"deployment": target.candidate.deployment.name, "why": why})


class _Told:
    """Tells a waiting stream that it waits, by a timer of the loop: proxies cut what is silent."""

    def __init__(self, call: Call, seconds: float) -> None:
        self._call = call
        self._every = seconds * 1.5
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds, self._tell)

    def cancel(self) -> None:
        self._timer.cancel()

    def _tell(self) -> None:
        self._call.tell_queued()
        self._timer = self._loop.call_later(self._every, self._tell)


def _signal(status: int, connection: Connection) -> Signal:
    if status not in OVERLOADED:
        return FAILED
    headers = connection.headers
    return Signal(SignalKind.OVERLOADED, retry_after(headers), exhausted_of(headers))


def _head(call: Call, target: Target, size: int) -> bytes:
    path = f"{target.path}{call.path}".encode("latin-1")
    request_id = call.request_id.encode()
    return b"POST %b HTTP/1.1\r\n%bx-client-request-id: %b\r\ncontent-length: %d\r\n\r\n" % (
        path,
        target.head,
        request_id,
        size,
    )


def _retry_after(connection: Connection) -> str | None:
    value = connection.headers.get(b"retry-after")
    return value.decode("latin-1") if value else None
