"""The arbiter as a process of its own: one decider, and the workers that are connected to it.

After a start that follows another arbiter's death nothing is decided before every worker has claimed what it has, or a
worker that does not come has been waited for as long as seats of a lost one are kept. Nothing is read from a database:
workers bring lanes and limits.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import msgspec

from puyun.arbiter.alarm import Alarm
from puyun.arbiter.decider import Decider
from puyun.arbiter.message import Answer, Configuration, Granted, Preempted
from puyun.arbiter.remote import wire
from puyun.arbiter.remote.kept import KeptLimits
from puyun.claim import Claim
from puyun.kit.clock import Clock, Instant

HOLD_SECONDS = 2.0
"""How long the seats of a worker that is gone are kept for it to claim them again."""

CLAIM_SECONDS = 1.0
"""How long connected workers have to claim what they have."""

BEHIND_MAX = 8 << 20
"""Bytes that a worker may leave unread before it counts as gone."""

log = logging.getLogger("puyun.arbiter")


class Phase(Enum):
    """Between its start and its first decision."""

    WAITING = 1
    """Not every worker is connected."""
    GATHERING = 2
    """All have been asked to claim."""
    OPEN = 3


class Peer(asyncio.Protocol):
    """One worker's connection. What it is told in a turn of the loop goes out in one frame."""

    transport: asyncio.Transport

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk
        self._frames = wire.Frames()
        self._out: list[wire.FromArbiter] = []
        self.worker = 0
        self.greeted = False
        self.reclaimed = False
        self.tickets: set[int] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # pyright: ignore[reportAttributeAccessIssue] - of a stream it is a Transport

    def data_received(self, data: bytes) -> None:
        try:
            messages = [message for body in self._frames.feed(data) for message in wire.from_worker.decode(body)]
        except (wire.WireError, msgspec.DecodeError) as error:
            log.warning("worker_unintelligible", extra={"worker": self.worker, "why": str(error)})
            self.transport.abort()
            return
        self._desk.hear(self, messages)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it
        self._desk.lost(self)

    def tell(self, message: wire.FromArbiter) -> None:
        self._out.append(message)

    def flush(self) -> None:
        if self._out and not self.transport.is_closing():
            self.transport.write(wire.frame(self._out))
            if self.transport.get_write_buffer_size() > BEHIND_MAX:
                log.error("worker_behind", extra={"worker": self.worker})
                self.transport.abort()
        self._out.clear()


class Desk:
    """Hears every worker, tells each what was decided. `expected`: workers to wait for; 0 after no arbiter's death. `kept`:
    the decider's limits, if they are to outlive it.
    """

    def __init__(
        self, decider: Decider, clock: Clock, *, epoch: int, expected: int, kept: KeptLimits | None = None
    ) -> None:
        loop = asyncio.get_running_loop()
        self._decider = decider
        self._kept = kept
        self._clock = clock
        self._loop = loop
        self._epoch = epoch
        self._expected = expected
        self._alarm = Alarm(loop, clock, self._wake)
        self._peers: set[Peer] = set()
        self._owners: dict[int, Peer] = {}
        self._orphans: dict[int, Peer] = {}
        """Seats of a connection that is gone, and which one that was."""
        self._waiting: list[tuple[Peer, Claim]] = []
        self.on_empty: Callable[[], None] | None = None
        """Called when the last worker is gone."""
        self.phase = Phase.WAITING if expected else Phase.OPEN
        self._pause = loop.call_later(HOLD_SECONDS, self._gather) if expected else None
        self._heard: dict[type[Any], Callable[[Peer, Any, Instant], None]] = {
            Claim: self._acquire,
            Configuration: self._configure,
            wire.Hello: self._hello,
            wire.Begin: self._begin,
            wire.Progress: self._progress,
            wire.Elsewhere: self._elsewhere,
            wire.End: self._end,
            wire.Observed: self._observed,
            wire.Reclaim: self._reclaim,
            wire.Reclaimed: self._reclaimed,
            wire.Beat: self._beat,
            wire.AskStanding: self._ask_standing,
            wire.AskLook: self._ask_look,
            wire.AskPools: self._ask_pools,
            wire.AskKnock: self._ask_knock,
        }

    @property
    def empty(self) -> bool:
        return not self._peers

    def peer(self) -> Peer:
        """A protocol for a new connection."""
        return Peer(self)

    def hear(self, peer: Peer, messages: Iterable[wire.FromWorker]) -> None:
        now = self._clock.now()
        for message in messages:
            if peer.greeted or isinstance(message, wire.Hello):
                self._heard[type(message)](peer, message, now)
        self._flush(now)

    def lost(self, peer: Peer) -> None:
        """Queued calls are cancelled, seats kept for a while."""
        now = self._clock.now()
        self._peers.discard(peer)
        self._waiting = [each for each in self._waiting if each[0] is not peer]
        kept: list[int] = []
        for ticket in peer.tickets:
            del self._owners[ticket]
            if self._decider.waits(ticket):
                self._route(self._decider.forfeit(ticket, now), now)
            else:
                self._orphans[ticket] = peer
                kept.append(ticket)
        if kept:
            log.warning("worker_lost", extra={"worker": peer.worker, "seats": len(kept)})
            self._loop.call_later(HOLD_SECONDS, self._free, peer, kept)
        self._flush(now)
        if not self._peers and self.on_empty is not None:
            self.on_empty()

    def close(self) -> None:
        """Hang up on everybody."""
        self._alarm.cancel()
        if self._pause is not None:
            self._pause.cancel()
        for peer in list(self._peers):
            peer.transport.close()

    # --- beginning -------------------------------------------------------------------------------------------------
    def _hello(self, peer: Peer, hello: wire.Hello, _now: Instant) -> None:
        if hello.version != wire.VERSION or hello.epoch > self._epoch:
            log.error("worker_refused", extra={"worker": hello.worker, "version": hello.version, "epoch": hello.epoch})
            peer.transport.abort()
            return
        peer.worker, peer.greeted = hello.worker, True
        self._peers.add(peer)
        peer.tell(wire.Welcome(self._epoch))
        if self.phase is not Phase.WAITING:
            peer.tell(wire.Gather())
        elif len({each.worker for each in self._peers}) >= self._expected:
            self._gather()

    def _gather(self) -> None:
        """Everybody is here, or was waited for."""
        if self._pause is not None:
            self._pause.cancel()
        self.phase = Phase.GATHERING
        for peer in self._peers:
            peer.tell(wire.Gather())
        self._pause = self._loop.call_later(CLAIM_SECONDS, self._open)
        self._flush(self._clock.now())
        if not self._peers:
            self._open()

    def _reclaim(self, peer: Peer, back: wire.Reclaim, now: Instant) -> None:
        ticket = back.claim.ticket
        if ticket in self._owners:
            return
        self._orphans.pop(ticket, None)
        self._own(peer, ticket)
        if not self._decider.has(ticket, back.serial):
            answers = self._decider.reclaim(
                back.claim, back.lane, back.serial, begun=back.begun, now=now, counted=back.counted
            )
            self._route(answers, now)

    def _reclaimed(self, peer: Peer, _message: wire.Reclaimed, _now: Instant) -> None:
        peer.reclaimed = True
        peer.tell(wire.Noted())
        if self.phase is Phase.GATHERING and all(each.reclaimed for each in self._peers):
            self._open()

    def _open(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self.phase = Phase.OPEN
        for peer in [peer for peer in self._peers if not peer.reclaimed]:
            log.error("worker_silent", extra={"worker": peer.worker})
            peer.transport.abort()
        now = self._clock.now()
        waiting, self._waiting = self._waiting, []
        for peer, claim in waiting:
            self._acquire(peer, claim, now)
        self._flush(now)

    # --- calls -----------------------------------------------------------------------------------------------------
    def _acquire(self, peer: Peer, claim: Claim, now: Instant) -> None:
        if self.phase is not Phase.OPEN:
            self._waiting.append((peer, claim))
            return
        if claim.ticket not in self._owners:
            self._own(peer, claim.ticket)
            self._route(self._decider.acquire(claim, now), now)

    def _begin(self, peer: Peer, begin: wire.Begin, now: Instant) -> None:
        kept = self._decider.has(begin.ticket, begin.serial)
        self._route(self._decider.begin(begin.ticket, begin.serial, now), now)
        if begin.asks:
            peer.tell(wire.Begun(begin.ticket, begin.serial, kept))

    def _progress(self, _peer: Peer, progress: wire.Progress, now: Instant) -> None:
        for ticket, output in progress.outputs.items():
            self._route(self._decider.progress(ticket, output, now), now)

    def _elsewhere(self, _peer: Peer, elsewhere: wire.Elsewhere, now: Instant) -> None:
        self._route(self._decider.elsewhere(elsewhere.ticket, elsewhere.serial, elsewhere.signal, now), now)

    def _end(self, peer: Peer, end: wire.End, now: Instant) -> None:
        if end.ticket in peer.tickets:
            self._disown(end.ticket)
            self._route(self._decider.end(end.ticket, end.spent, end.signal, now), now)
        elif self._waiting:
            self._waiting = [each for each in self._waiting if each[1].ticket != end.ticket]

    def _free(self, peer: Peer, tickets: Iterable[int]) -> None:
        """Those that have not been claimed again meanwhile."""
        now = self._clock.now()
        for ticket in tickets:
            if self._orphans.get(ticket) is peer:
                del self._orphans[ticket]
                self._route(self._decider.forfeit(ticket, now), now)
        self._flush(now)

    # --- everything else -------------------------------------------------------------------------------------------
    def _configure(self, _peer: Peer, configuration: Configuration, now: Instant) -> None:
        newer = configuration.revision > self._decider.revision
        self._route(self._decider.configure(configuration, now), now)
        if newer and self._kept is not None:
            self._kept.follow(configuration, now)

    def _observed(self, _peer: Peer, observed: wire.Observed, now: Instant) -> None:
        self._route(self._decider.observe(observed.lane, observed.facts, now), now)

    def _beat(self, peer: Peer, beat: wire.Beat, _now: Instant) -> None:
        peer.tell(beat)

    def _ask_standing(self, peer: Peer, ask: wire.AskStanding, _now: Instant) -> None:
        peer.tell(wire.TheStanding(ask.question, self._decider.standing(ask.ticket)))

    def _ask_look(self, peer: Peer, ask: wire.AskLook, now: Instant) -> None:
        peer.tell(wire.TheLook(ask.question, self._decider.look(ask.look, now)))

    def _ask_pools(self, peer: Peer, ask: wire.AskPools, _now: Instant) -> None:
        peer.tell(wire.ThePools(ask.question, self._decider.pools()))

    def _ask_knock(self, peer: Peer, ask: wire.AskKnock, now: Instant) -> None:
        peer.tell(wire.TheKnock(ask.question, self._decider.knock(ask.ip, now)))

    # --- answers ---------------------------------------------------------------------------------------------------
    def _own(self, peer: Peer, ticket: int) -> None:
        self._owners[ticket] = peer
        peer.tickets.add(ticket)

    def _disown(self, ticket: int) -> None:
        self._owners.pop(ticket).tickets.discard(ticket)

    def _wake(self, now: Instant) -> None:
        self._route(self._decider.wake(now), now)
        self._flush(now)

    def _route(self, answers: list[Answer], now: Instant) -> None:
        """To whom each belongs. Orphans get no seat and no other one: nobody would use it."""
        for answer in answers:
            owner = self._owners.get(answer.ticket)
            if owner is not None:
                owner.tell(answer)
                if not isinstance(answer, Granted | Preempted) and not self._decider.waits(answer.ticket):
                    self._disown(answer.ticket)
            elif self._orphans.pop(answer.ticket, None) is not None:
                self._route(self._decider.forfeit(answer.ticket, now), now)

    def _flush(self, now: Instant) -> None:
        if self._kept is not None:
            self._kept.flush(now)
        for peer in self._peers:
            peer.flush()
        self._alarm.follow(self._decider.next_wake, now)
