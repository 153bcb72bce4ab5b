"""Seats and attempts: which deployment a call goes to, and which next when that one fails before its first byte."""

import logging
from collections import Counter
from time import perf_counter
from typing import Protocol

from puyun.catalog.snapshot import SoldModel
from puyun.egress.connect import ConnectFailedError
from puyun.egress.target import Target
from puyun.gateway.running import Call
from puyun.gateway.upstream import Connection, Pool, UpstreamLostError, UpstreamTimeoutError
from puyun.kit.errors import PuyunError
from puyun.providers.echo import EchoAnswer
from puyun.providers.failure import classify, no_capacity, upstream_error, upstream_timeout
from puyun.system import crash

ATTEMPTS_MAX = 3
ERROR_BODY_MAX = 64 * 1024
TELL_SECONDS = 5.0

log = logging.getLogger("puyun.upstream")


class Answer(Protocol):
    """An upstream's answer whose head has come."""

    headers: dict[bytes, bytes]

    @property
    def finished(self) -> bool: ...
    async def read(self) -> bytes: ...
    async def read_all(self, limit: int) -> bytes: ...
    def close(self, reason: Exception | None = None) -> None: ...


class Lease:
    """A seat at a deployment, and the answer that came of it. `release` gives both back, exactly once."""

    __slots__ = ("_seats", "answer", "attempts", "target")

    def __init__(self, seats: "Seats", target: Target) -> None:
        self._seats = seats
        self.target = target
        self.attempts = 1
        self.answer: Connection | EchoAnswer | None = None

    def release(self, pool: Pool) -> None:
        self._seats.leave(self.target)
        if isinstance(self.answer, Connection):
            pool.release(self.target, self.answer)
        self.answer = None


class Seats:
    """Calls in flight by deployment, held against its seats. In-process and exact for one process."""

    def __init__(self) -> None:
        self.targets: dict[int, Target] = {}
        """Deployments that can be called: their secret is there."""
        self._taken: Counter[int] = Counter()

    def take(self, sold: SoldModel, tried: set[int]) -> Target | None:
        """The first deployment in the catalogue's order that has a free seat and was not tried; None when none has."""
        for candidate in sold.candidates:
            target = self.targets.get(candidate.id)
            if target is None or candidate.id in tried:
                continue
            if self._taken[candidate.id] < candidate.deployment.seats:
                self._taken[candidate.id] += 1
                return target
        return None

    def leave(self, target: Target) -> None:
        self._taken[target.id] -= 1

    def in_flight(self) -> dict[int, int]:
        """Seats taken, by deployment."""
        return {number: taken for number, taken in self._taken.items() if taken}


class Dispatcher:
    """Asks one deployment after another until one begins to answer."""

    def __init__(self, seats: Seats, pool: Pool, *, first_byte: float, idle: float) -> None:
        self._seats = seats
        self._pool = pool
        self._first_byte = first_byte
        self._idle = idle
        self._told_at: dict[int, float] = {}

    async def open(self, call: Call) -> Lease:
        """A lease whose answer has status 200. Raises PuyunError when none is to be had, UpstreamClosedError when
        the client left meanwhile; nothing is leased then.
        """
        tried: set[int] = set()
        failed: PuyunError | None = None
        while len(tried) < ATTEMPTS_MAX:
            target = self._seats.take(call.sold, tried)
            if target is None:
                break
            tried.add(target.id)
            lease = Lease(self._seats, target)
            lease.attempts = len(tried)
            try:
                failed, elsewhere = await self._attempt(call, lease)
            except BaseException:
                lease.release(self._pool)
                raise
            if failed is None:
                return lease
            lease.release(self._pool)
            if not elsewhere:
                break
        raise failed or no_capacity(call.tier, "Every seat for this model is taken.")

    async def _attempt(self, call: Call, lease: Lease) -> tuple[PuyunError | None, bool]:
        """Send the call; None when the answer begins well, else what went wrong and whether to try elsewhere."""
        target = lease.target
        body = call.body_for(target)
        if target.echo:
            lease.answer = EchoAnswer(call.path, body, call.request_id, stream=call.stream)
            return None, False
        try:
            connection = await self._pool.open(target)
            lease.answer = connection
            call.watch(connection)
            connection.send(_head(call, target, len(body)) + body, first_byte=self._first_byte, idle=self._idle)
            crash.reached("call-sent")
            status = await connection.response()
            crash.reached("answer-begun")
            if status == 200:
                return None, False
            problem = await connection.read_all(ERROR_BODY_MAX)
        except ConnectFailedError as error:
            self._tell(target, str(error))
            return upstream_error("The upstream provider cannot be reached."), True
        except UpstreamLostError:
            return upstream_error("The upstream provider closed the connection before it answered."), True
        except UpstreamTimeoutError:
            return upstream_timeout("The upstream provider did not answer in time."), True
        refusal = classify(status, problem, target.secrets, _retry_after(connection), call.tier)
        return refusal.error, refusal.elsewhere

    def _tell(self, target: Target, why: str) -> None:
        """Once every few seconds for one deployment, however many calls fail."""
        now = perf_counter()
        if now - self._told_at.get(target.id, -TELL_SECONDS) >= TELL_SECONDS:
            self._told_at[target.id] = now
            log.warning("connect_failed", extra={"deployment": target.candidate.deployment.name, "why": why})


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
