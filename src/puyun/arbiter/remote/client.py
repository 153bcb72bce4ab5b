"""A worker's arbiter when that is another process.

While it is away the worker takes Enterprise's and Flex's seats by its share, as far as the board leaves any; calls that
find none wait for whichever comes first, and Test is told to come again. When it is back, the worker claims what it has.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from puyun.arbiter.lease import Lease, hand_over
from puyun.arbiter.message import Configuration, Granted, Look, Preempted, Refused, Seen, Standing
from puyun.arbiter.refusal import AWAY_RETRY, error_for
from puyun.arbiter.remote import wire
from puyun.arbiter.remote.board import Board
from puyun.arbiter.remote.report import Report
from puyun.arbiter.remote.stopgap import Stopgap
from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import Clock
from puyun.kit.errors import Blame, PuyunError
from puyun.scheduler.attempt import NOTHING, Signal, Spent
from puyun.scheduler.decision import Why
from puyun.scheduler.lane import Facts
from puyun.scheduler.view import PoolView

LEASES_MAX = 50_000
"""Calls of one worker that may wait or run."""

BEAT_SECONDS = 1.0
SILENT_SECONDS = 2.5
"""After which an arbiter that says nothing, not even a beat, is taken for dead."""

RETRY_SECONDS = 0.02
"""Between two tries to connect."""

BEHIND_MAX = 8 << 20
"""Bytes an arbiter may leave unread before it is taken for dead."""

T = TypeVar("T")

log = logging.getLogger("puyun.arbiter")


class Connection(asyncio.Protocol):
    """A way to the arbiter, from its beginning to its end."""

    transport: asyncio.Transport

    def __init__(self, client: "Client", loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._frames = wire.Frames()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.heard_at = loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # pyright: ignore[reportAttributeAccessIssue] - of a stream it is a Transport

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.lost.get_loop().time()
        try:
            for body in self._frames.feed(data):
                self._client.hear(wire.from_arbiter.decode(body))
        except (wire.WireError, msgspec.DecodeError) as error:
            log.warning("arbiter_unintelligible", extra={"why": str(error)})
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it
        self._client.forsaken()
        self.lost.set_result(None)


Connect = Callable[[Callable[[], Connection]], Awaitable[tuple[asyncio.BaseTransport, Connection]]]
"""Opens a way to the arbiter. Raises OSError."""


def unix(path: str) -> Connect:
    """By a socket in the file system."""
    return lambda factory: asyncio.get_running_loop().create_unix_connection(factory, path)


class Client:
    """An `Arbiter`. `run` keeps it connected; until then, and whenever the arbiter is away, it is by itself."""

    def __init__(self, connect: Connect, board: Board, clock: Clock, *, worker: int, workers: int) -> None:
        self._connect = connect
        self._clock = clock
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._leases: dict[int, Lease] = {}
        self._begins: dict[int, asyncio.Future[bool]] = {}
        self._outputs: dict[int, int] = {}
        self._questions: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._out: list[wire.FromWorker] = []
        self._configuration: Configuration | None = None
        self._connection: Connection | None = None
        self._epoch = 0
        self._leaving = False
        self._first_join = asyncio.Event()
        self._report = Report()
        self._stopgap = Stopgap(board, clock, self._report, workers=workers, turn_away=self._turn_away)

    @property
    def joined(self) -> bool:
        """Whether an arbiter decides, and not this worker."""
        return not self._stopgap.acts

    @property
    def epoch(self) -> int:
        """Of the newest arbiter that was heard of; 0: none yet."""
        return self._epoch

    # --- what calls ask for ----------------------------------------------------------------------------------------
    def acquire(self, claim: Claim) -> Lease:
        lease = Lease(self, claim, self._clock.now())
        if len(self._leases) >= LEASES_MAX:
            lease.refuse(error_for(Refused(claim.ticket, Why.QUEUE_FULL, AWAY_RETRY), claim.tier))
            return lease
        self._leases[claim.ticket] = lease
        if self.joined:
            self._send(claim)
        elif claim.tier is Tier.TEST:
            self._turn_away(lease)
        else:
            self._stopgap.enter(lease)
        return lease

    def observe(self, lane: int, facts: Facts) -> None:
        if self.joined:
            self._send(wire.Observed(lane, facts))

    def configure(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._stopgap.follow(configuration)
        if self._connection is not None:
            self._send(configuration)

    async def knock(self, ip: str) -> PuyunError | None:
        if not self.joined:
            return self._stopgap.knock(ip)
        answer = await self._ask(lambda number: wire.AskKnock(number, ip), wire.TheKnock)
        return answer.refused and error_for(answer.refused)

    async def look(self, look: Look) -> tuple[Seen, ...]:
        answer = await self._ask(lambda number: wire.AskLook(number, look), wire.TheLook)
        return answer.seen

    async def pools(self) -> tuple[PoolView, ...]:
        answer = await self._ask(wire.AskPools, wire.ThePools)
        return answer.pools

    async def standing(self, lease: Lease) -> Standing | None:
        if not self.joined:
            return None
        answer = await self._ask(lambda number: wire.AskStanding(number, lease.claim.ticket), wire.TheStanding)
        lease.standing = answer.standing or lease.standing
        return answer.standing

    # --- leases ----------------------------------------------------------------------------------------------------
    def begin(self, lease: Lease) -> asyncio.Future[bool] | None:
        if not self.joined:
            return None
        ticket = lease.claim.ticket
        self._send(wire.Begin(ticket, lease.serial, lease.preemptible))
        if not lease.preemptible:
            return None
        self._begins[ticket] = self._loop.create_future()
        return self._begins[ticket]

    def progress(self, lease: Lease, output: int) -> None:
        if self.joined:
            self._outputs[lease.claim.ticket] = output

    def elsewhere(self, lease: Lease, lane: int, signal: Signal) -> None:
        if self.joined:
            self._send(wire.Elsewhere(lease.claim.ticket, lease.serial, signal))
        else:
            self._stopgap.leave(lease, lane, NOTHING)
            self._stopgap.enter(lease)

    def end(self, lease: Lease, spent: Spent, signal: Signal) -> None:
        ticket = lease.claim.ticket
        self._outputs.pop(ticket, None)
        if self._leases.pop(ticket, None) is None:
            return
        if lease.lane and (not self.joined or self._report.untold(ticket)):
            self._report.ended(lease, lease.lane, spent, signal)
        if self.joined:
            self._send(wire.End(ticket, spent, signal))
        else:
            self._stopgap.leave(lease, lease.lane, spent)

    # --- connecting ------------------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Runs until cancelled; cancel it when no call is left."""
        try:
            while True:
                with suppress(OSError):
                    _, connection = await self._connect(lambda: Connection(self, self._loop))
                    try:
                        await self._talk(connection)
                    finally:
                        connection.transport.abort()
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._leaving = True

    async def _talk(self, connection: Connection) -> None:
        """Until the connection is lost, or the arbiter says nothing any more."""
        self._connection = connection
        self._send(wire.Hello(self._worker, self._epoch))
        if self._configuration is not None:
            self._send(self._configuration)
        while not connection.lost.done():
            await asyncio.wait([connection.lost], timeout=BEAT_SECONDS)
            if self._loop.time() - connection.heard_at > SILENT_SECONDS:
                log.warning("arbiter_silent")
                connection.transport.abort()
                return
            if self._outputs:
                self._send(wire.Progress(self._outputs))
                self._outputs = {}
            self._send(wire.Beat())

    async def meet(self, seconds: float) -> bool:
        """Wait for an arbiter to decide for the first time, at most so long; whether one does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._first_join.wait()
        return self.joined

    def hear(self, messages: list[wire.FromArbiter]) -> None:
        """What the arbiter said, in order."""
        for message in messages:
            if isinstance(message, Granted | Refused | Preempted | Standing):
                hand_over(message, self._leases)
            elif isinstance(message, wire.Begun):
                self._settle_begin(message)
            elif isinstance(message, wire.Welcome):
                self._welcome(message)
            elif isinstance(message, wire.Gather):
                self._reclaim()
            elif isinstance(message, wire.Noted):
                self._report.noted()
            elif not isinstance(message, wire.Beat):
                question = self._questions.pop(message.question, None)
                if question is not None and not question.done():
                    question.set_result(message)

    def forsaken(self) -> None:
        """The connection is lost. Everything that the arbiter had said has been heard."""
        self._connection = None
        self._out.clear()
        begins, self._begins = self._begins, {}
        for kept in begins.values():
            if not kept.done():
                kept.set_result(True)
        questions, self._questions = self._questions, {}
        for question in questions.values():
            if not question.done():
                question.set_exception(_away())
        if self.joined and not self._leaving:
            log.warning("arbiter_away", extra={"epoch": self._epoch})
            self._stopgap.act(self._leases.values())

    def _welcome(self, welcome: wire.Welcome) -> None:
        if welcome.epoch < self._epoch and self._connection is not None:
            log.warning("arbiter_outdated", extra={"epoch": welcome.epoch, "newest": self._epoch})
            self._connection.transport.abort()
        self._epoch = max(self._epoch, welcome.epoch)

    def _reclaim(self) -> None:
        """Tell all that there is, and decide nothing any more."""
        self._stopgap.give_way()
        self._first_join.set()
        now = self._clock.now()
        seated = [lease for lease in self._leases.values() if lease.lane]
        waiting = [lease for lease in self._leases.values() if not lease.lane]
        for message in self._report.messages(seated):
            self._send(message)
        self._send(wire.Reclaimed())
        for lease in waiting:
            self._send(msgspec.structs.replace(lease.claim, waited=lease.waited_at(now)))
        log.info("arbiter_joined", extra={"epoch": self._epoch, "seats": len(seated), "waiting": len(waiting)})

    def _turn_away(self, lease: Lease) -> None:
        hand_over(Refused(lease.claim.ticket, Why.AWAY, AWAY_RETRY), self._leases)

    # --- sending ---------------------------------------------------------------------------------------------------
    def _send(self, message: wire.FromWorker) -> None:
        """All of one turn of the loop goes out together."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(message)

    def _flush(self) -> None:
        connection, out = self._connection, self._out
        if connection is not None and out and not connection.transport.is_closing():
            connection.transport.write(wire.frame(out))
            if connection.transport.get_write_buffer_size() > BEHIND_MAX:
                log.warning("arbiter_behind")
                connection.transport.abort()
        out.clear()

    def _settle_begin(self, begun: wire.Begun) -> None:
        kept = self._begins.pop(begun.ticket, None)
        if kept is not None and not kept.done():
            kept.set_result(begun.kept)

    async def _ask(self, question: Callable[[int], wire.Question], _answer: type[T]) -> T:
        """Raises PuyunError 503 while the arbiter is away."""
        if not self.joined:
            raise _away()
        self._asked += 1
        answer: asyncio.Future[T] = self._loop.create_future()
        self._questions[self._asked] = answer
        self._send(question(self._asked))
        return await answer


def _away() -> PuyunError:
    text = "Limits and seats cannot be looked up at the moment; try again in 2 s."
    return PuyunError("temporarily_unavailable", 503, text, blame=Blame.US, headers={"retry-after": "2"})
