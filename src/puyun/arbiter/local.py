"""The arbiter of a process that is alone: the decider itself, and one timer of the event loop."""

import asyncio
from collections.abc import Iterable

from puyun.arbiter.alarm import Alarm
from puyun.arbiter.decider import Decider
from puyun.arbiter.lease import Lease, hand_over
from puyun.arbiter.message import Answer, Configuration, Look, Seen, Standing
from puyun.arbiter.refusal import error_for
from puyun.claim import Claim
from puyun.kit.clock import Clock, Instant
from puyun.kit.errors import PuyunError
from puyun.scheduler.attempt import Signal, Spent
from puyun.scheduler.lane import Facts
from puyun.scheduler.view import PoolView


class Local:
    """An `Arbiter`. An acquire that finds a seat free needs no turn of the loop."""

    def __init__(self, decider: Decider, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self._decider = decider
        decider.tells = False
        self._clock = clock
        self._leases: dict[int, Lease] = {}
        self._alarm = Alarm(loop, clock, self._wake)

    def acquire(self, claim: Claim) -> Lease:
        now = self._clock.now()
        lease = self._leases[claim.ticket] = Lease(self, claim, now)
        self._deliver(self._decider.acquire(claim, now), now)
        lease.passed = self._decider.passed(claim.ticket)
        return lease

    def observe(self, lane: int, facts: Facts) -> None:
        now = self._clock.now()
        self._deliver(self._decider.observe(lane, facts, now), now)

    def configure(self, configuration: Configuration) -> None:
        now = self._clock.now()
        self._deliver(self._decider.configure(configuration, now), now)

    async def knock(self, ip: str) -> PuyunError | None:
        refused = self._decider.knock(ip, self._clock.now())
        return refused and error_for(refused)

    async def look(self, look: Look) -> tuple[Seen, ...]:
        return self._decider.look(look, self._clock.now())

    async def pools(self) -> tuple[PoolView, ...]:
        return self._decider.pools()

    async def standing(self, lease: Lease) -> Standing | None:
        return self._decider.standing(lease.claim.ticket)

    def close(self) -> None:
        """No timer rings any more; what waits is left to its calls, which end by themselves."""
        self._alarm.cancel()

    # --- leases ----------------------------------------------------------------------------------------------------
    def begin(self, lease: Lease) -> None:
        """Sure at once: nothing can have come between."""
        now = self._clock.now()
        self._deliver(self._decider.begin(lease.claim.ticket, lease.serial, now), now)

    def progress(self, lease: Lease, output: int) -> None:
        now = self._clock.now()
        self._deliver(self._decider.progress(lease.claim.ticket, output, now), now)

    def elsewhere(self, lease: Lease, lane: int, signal: Signal) -> None:  # noqa: ARG002 - the decider knows it
        now = self._clock.now()
        self._deliver(self._decider.elsewhere(lease.claim.ticket, lease.serial, signal, now), now)

    def end(self, lease: Lease, spent: Spent, signal: Signal) -> None:
        now = self._clock.now()
        ticket = lease.claim.ticket
        if self._leases.pop(ticket, None) is not None:
            self._deliver(self._decider.end(ticket, spent, signal, now), now)

    # --- answers ---------------------------------------------------------------------------------------------------
    def _wake(self, now: Instant) -> None:
        self._deliver(self._decider.wake(now), now)

    def _deliver(self, answers: Iterable[Answer], now: Instant) -> None:
        for answer in answers:
            hand_over(answer, self._leases)
        self._alarm.follow(self._decider.next_wake, now)
