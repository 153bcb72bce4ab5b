"""A call's place with the arbiter: in the queue, then on a seat, and back if the seat did not do.

waiting ──granted──▶ seated ──begin──▶ begun ──end──▶ over
   ▲                   │ │                             ▲
   └── preempted, elsewhere ┘        refused, end ─────┘
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from puyun.arbiter.message import Answer, Granted, Preempted, Refused, Standing
from puyun.arbiter.refusal import error_for
from puyun.claim import Claim
from puyun.kit.clock import Instant
from puyun.limits.passed import Passed
from puyun.limits.reading import Reading
from puyun.scheduler.attempt import Signal, Spent


class Desk(Protocol):
    """Where a lease's news go: the arbiter that made it."""

    def begin(self, lease: "Lease") -> asyncio.Future[bool] | None:
        """None when it is sure that the seat stays."""
        ...

    def progress(self, lease: "Lease", output: int) -> None: ...
    def elsewhere(self, lease: "Lease", lane: int, signal: Signal) -> None: ...
    def end(self, lease: "Lease", spent: Spent, signal: Signal) -> None: ...


class Lease:
    """`lane` is the deployment whose seat the call has, 0 while it has none. All times in microseconds.

    `on_preempted` is called, at most once for each seat, when the seat was taken away before the first byte: close what
    runs, then wait for `seat` again. `readings` are the limits as they stood when the call passed them,
    or was refused.
    """

    __slots__ = (
        "_desk",
        "_refusal",
        "_waiter",
        "asked",
        "begun",
        "claim",
        "lane",
        "on_preempted",
        "over",
        "passed",
        "pool",
        "preemptible",
        "readings",
        "serial",
        "standing",
        "waited",
    )

    def __init__(self, desk: Desk, claim: Claim, now: Instant) -> None:
        self._desk = desk
        self._waiter: asyncio.Future[None] | None = None
        self._refusal: BaseException | None = None
        self.claim = claim
        self.asked = now
        self.lane = 0
        self.serial = 0
        self.pool = ""
        self.waited = 0
        self.preemptible = False
        self.begun = False
        self.over = False
        self.readings: tuple[Reading, ...] = ()
        self.passed: Passed | None = None
        """What it was counted in, where that is in this process; there are no readings then."""
        self.standing: Standing | None = None
        """Where it stood in its queue when the arbiter last said so; None if it never had to wait."""
        self.on_preempted: Callable[[], None] | None = None

    # --- the call's side -----------------------------------------------------------------------------------------
    async def seat(self) -> int:
        """The lane, once there is a seat. One waits at a time.

        Raises PuyunError: `rate_limit_exceeded` 429, `capacity_unavailable` 429 at Test and 503 at the other tiers; or
        what `give_up` was given. The lease is over then.
        """
        while not self.lane:
            if self._refusal is not None:
                raise self._refusal
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.lane

    async def begin(self) -> bool:
        """The first byte is about to leave for the client. True: from here on the seat stays; False: it was taken away
        before, nothing may be sent, wait for `seat` again. Suspends only where both could be, on a preemptible seat.

        The arbiter need not hear of a whole answer on a seat that is sure anyway: its end follows at once.
        """
        if not self.lane or self.begun:
            return self.begun
        if not self.preemptible and not self.claim.stream:
            self.begun = True
            return True
        kept = self._desk.begin(self)
        self.begun = True if kept is None else await kept
        return self.begun

    def progress(self, output: int) -> None:
        """So many tokens of output until now; a stream tells about once a second."""
        if self.lane:
            self._desk.progress(self, output)

    def elsewhere(self, signal: Signal) -> None:
        """The attempt failed before the first byte; `seat` waits for another lane. Nothing if the seat is gone already."""
        if self.lane and not self.over:
            lane = self.lane
            self._vacate()
            self._desk.elsewhere(self, lane, signal)

    def end(self, spent: Spent, signal: Signal) -> None:
        """The call is over: the seat back, or the place in the queue. Repeating it changes nothing."""
        if not self.over:
            self._desk.end(self, spent, signal)
            self.over = True

    def give_up(self, error: BaseException) -> None:
        """The client is gone: whoever waits in `seat`, now or later, gets this error. `end` is still to come."""
        self._close(error)

    def waited_at(self, now: Instant) -> int:
        """Microseconds since the call first asked."""
        return now - self.asked + self.claim.waited

    # --- the arbiter's side --------------------------------------------------------------------------------------
    def grant(self, granted: Granted) -> None:
        self.lane, self.serial, self.pool = granted.lane, granted.serial, granted.pool
        self.waited, self.preemptible = granted.waited, granted.preemptible
        self.readings = granted.readings or self.readings
        self._wake()

    def preempt(self) -> None:
        """Taken away. The callback comes in a turn of its own: it may close connections, whose ends tell us again."""
        if not self.lane:
            return
        self._vacate()
        if self.on_preempted is not None:
            asyncio.get_running_loop().call_soon(self.on_preempted)

    def refuse(self, error: BaseException) -> None:
        self.over = True
        self.lane = 0
        self._close(error)

    def _vacate(self) -> None:
        self.lane = 0
        self.begun = False

    def _close(self, error: BaseException) -> None:
        self._refusal = self._refusal or error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def hand_over(answer: Answer, leases: dict[int, Lease]) -> None:
    """An answer to its lease; one that is refused is forgotten. Nothing where the call has ended meanwhile."""
    lease = leases.get(answer.ticket)
    if lease is None:
        return
    if isinstance(answer, Granted):
        lease.grant(answer)
    elif isinstance(answer, Refused):
        del leases[answer.ticket]
        lease.readings = answer.readings
        lease.refuse(error_for(answer, lease.claim.tier))
    elif isinstance(answer, Preempted):
        lease.preempt()
    else:
        lease.standing = answer
