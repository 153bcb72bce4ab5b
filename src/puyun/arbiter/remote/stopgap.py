"""A worker's own decisions, while no arbiter is there to decide."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from puyun.arbiter.lease import Lease
from puyun.arbiter.message import Configuration, Granted
from puyun.arbiter.refusal import error_for, refused
from puyun.arbiter.remote.allowance import Allowance
from puyun.arbiter.remote.board import Board
from puyun.arbiter.remote.report import Report
from puyun.arbiter.remote.share import Share
from puyun.catalog.model import Tier
from puyun.kit.clock import Clock, Instant
from puyun.kit.errors import PuyunError
from puyun.scheduler.attempt import Spent
from puyun.scheduler.lane import LaneSpec

RETRY_SECONDS = 0.02
"""Between two looks for a seat: others may have given one back."""


class Stopgap:
    """Calls that wait get a seat as soon as share and board leave one, Test's none; `turn_away` is called for those that
    have waited for too long. At first it acts; `give_way` ends that, `act` begins it again.
    """

    def __init__(
        self, board: Board, clock: Clock, report: Report, *, workers: int, turn_away: Callable[[Lease], None]
    ) -> None:
        self._board = board
        self._report = report
        self._allowance = Allowance(workers)
        self._clock = clock
        self._workers = workers
        self._turn_away = turn_away
        self._loop = asyncio.get_running_loop()
        self._share = Share({}, workers)
        self._mine: Counter[tuple[int, Tier]] = Counter()
        self._waiting: dict[int, Lease] = {}
        self._retry: asyncio.TimerHandle | None = None
        self.acts = True
        self._allowance.start((), clock.now())
        board.say({})

    def follow(self, configuration: Configuration) -> None:
        self._share = Share({lane.id: lane for lane in configuration.lanes}, self._workers)
        self._allowance.follow(configuration, self._clock.now())

    def act(self, leases: Iterable[Lease]) -> None:
        """The arbiter is away; these are the calls that there are."""
        self.acts = True
        everyone = list(leases)
        self._mine = Counter((lease.lane, lease.claim.tier) for lease in everyone if lease.lane)
        self._waiting = {lease.claim.ticket: lease for lease in everyone if not lease.lane}
        self._allowance.start((lease.claim for lease in everyone if lease.lane), self._clock.now())
        self._board.say(self._held())
        self._look()

    def give_way(self) -> None:
        """An arbiter decides from here on."""
        self.acts = False
        self._board.obey()
        self._mine.clear()
        self._waiting.clear()

    def enter(self, lease: Lease) -> None:
        """A call that waits. One whose lane failed it waits for the arbiter: here nobody knows which lanes are well."""
        self._waiting[lease.claim.ticket] = lease
        self._look()

    def knock(self, ip: str) -> PuyunError | None:
        """A request whose sender is not known; the error if its address has sent more than this worker's part of its rate."""
        over = self._allowance.knock(ip, self._clock.now())
        return over and error_for(refused(0, over))

    def leave(self, lease: Lease, lane: int, spent: Spent) -> None:
        """The call is over, or gives its seat at `lane` back; 0: it had none."""
        self._waiting.pop(lease.claim.ticket, None)
        self._allowance.over(lease.claim.ticket, spent.fresh + spent.written, spent.output, self._clock.now())
        if lane:
            self._mine[lane, lease.claim.tier] -= 1
            self._board.say(self._held())
            self._look()

    def _look(self) -> None:
        now = self._clock.now()
        late = [lease for lease in self._waiting.values() if lease.waited_at(now) >= lease.claim.max_wait]
        for lease in late:
            del self._waiting[lease.claim.ticket]
            self._turn_away(lease)
        self._take(
            [lease for lease in self._waiting.values() if not lease.serial and lease.claim.tier is not Tier.TEST]
        )
        if self._waiting and self._retry is None:
            self._retry = self._loop.call_later(RETRY_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._retry = None
        if self.acts:
            self._look()

    def _take(self, wanting: list[Lease]) -> None:
        """Seats for as many as find one, in order, and the board is told before anybody uses them."""
        if not wanting or self._report.full:
            return
        now = self._clock.now()
        taken: list[tuple[Lease, LaneSpec]] = []
        with self._board.turn() as used:
            if used is None:
                return
            for lease in wanting:
                lane = self._share.pick(lease.claim, self._mine, used)
                if lane is not None and self._may(lease, used, now):
                    self._mine[lane.id, lease.claim.tier] += 1
                    used[lane.id] += 1
                    taken.append((lease, lane))
            self._board.say(self._held())
        for lease, lane in taken:
            del self._waiting[lease.claim.ticket]
            lease.grant(Granted(lease.claim.ticket, 1, lane.id, lane.pool, lease.waited_at(now), preemptible=False))

    def _may(self, lease: Lease, used: Counter[int], now: Instant) -> bool:
        """Whether limits let it in, as far as one can know here."""
        ticket = lease.claim.ticket
        if not self._allowance.lets_in(lease.claim, used, now):
            return False
        used.update(self._allowance.flown(ticket))
        self._report.let_in(ticket)
        return True

    def _held(self) -> Counter[int]:
        """Seats by lane, and calls in flight by limit."""
        held = self._allowance.flights.copy()
        for (lane, _), seats in self._mine.items():
            held[lane] += seats
        return held
