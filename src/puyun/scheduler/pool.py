"""Pools: what each tier may have of lanes that are shared, lent or an organization's own."""

from typing import Final, Generic, TypeVar

from puyun.catalog.model import Tier
from puyun.kit.clock import MINUTE, Instant
from puyun.scheduler.rules import Rules

ENTERPRISE: Final = 0
FLEX: Final = 1
TEST: Final = 2
LENT: Final = 3
"""Where a line stands at a lane: by its tier, or as Test that borrows."""

RANKS: Final[tuple[Tier, Tier, Tier]] = (Tier.ENTERPRISE, Tier.FLEX, Tier.TEST)
RANK: Final[dict[Tier, int]] = {tier: rank for rank, tier in enumerate(RANKS)}

L = TypeVar("L")
"""`lane.Lane`."""


class Share:
    """So many seats always, and what is left of a seat for that part of the time.

    So a pool of one or two seats keeps the shares too, in seat time. The balance (per mille of a seat × µs) is bounded
    both ways: neither idleness nor a long call counts for ever.
    """

    __slots__ = ("_balance", "_most", "_share")

    def __init__(self, share: int, rules: Rules) -> None:
        self._share = share
        self._most = rules.share_window * 1000
        self._balance = self._most

    def has_room(self, used: int, seats: int) -> bool:
        """Whether one more seat is within the share."""
        whole, rest = divmod(self._share * seats, 1000)
        return used < whole or (used == whole and rest > 0 and self._balance >= 0)

    def elapse(self, duration: int, used: int, seats: int) -> None:
        """So long it has been like this, and calls waited."""
        whole, rest = divmod(self._share * seats, 1000)
        gained = (rest - 1000 if used > whole else rest) * duration
        self._balance = max(min(self._balance + gained, self._most), -self._most)


class Pool(Generic[L]):
    """Lanes of one pool name that some model joins: their seats are one, as far as tiers are concerned."""

    __slots__ = (
        "_at",
        "_budget",
        "_budget_at",
        "_calls",
        "_minute",
        "_retried",
        "in_flight",
        "lanes",
        "lent",
        "name",
        "owner",
        "preempted",
        "rules",
        "seats",
        "shared",
        "shares",
        "turns",
        "used",
        "waiting",
    )

    def __init__(self, name: str, owner: int | None, rules: Rules, now: Instant) -> None:
        self.name = name
        self.owner = owner
        self.shared = name == "shared"
        self.rules = rules
        self.lanes: list[L] = []
        self.seats = 0
        self.in_flight = 0
        self.used = [0, 0, 0]
        self.lent = 0
        """Of `used`: by Test that borrows."""
        self.shares = tuple(Share(rules.of(tier).share, rules) for tier in RANKS)
        self.waiting = 0
        """How often a line waits for one of the lanes."""
        self._at = now
        self.turns = [0, 0, 0, 0]
        """By place: the counter of the model that was served last. One that comes back starts here."""
        self.preempted = 0
        self._budget: int | None = None
        """Per mille of a seat × µs that preemption may still waste; None: all of it."""
        self._budget_at = now
        self._calls = 0
        self._retried = 0
        self._minute = 0

    def join(self, other: "Pool[L]", now: Instant) -> None:
        """A model uses lanes of both: from here on they are one pool, this one."""
        self.resize(other.seats, now)
        self.waiting += other.waiting
        self.in_flight += other.in_flight
        self.used = [mine + its for mine, its in zip(self.used, other.used, strict=True)]
        self.lent += other.lent
        self.preempted += other.preempted
        self.lanes += other.lanes

    def resize(self, more: int, now: Instant) -> None:
        self._elapse(now)
        self.seats += more

    def count(self, rank: int, more: int, now: Instant) -> None:
        """A seat is taken (1) or given back (-1)."""
        self._elapse(now)
        self.used[rank] += more
        self.in_flight += more

    def wait(self, more: int, now: Instant) -> None:
        """A line begins (1) or ceases (-1) to wait for one of the lanes."""
        self._elapse(now)
        self.waiting += more

    def _elapse(self, now: Instant) -> None:
        """Shares count time only while somebody waits: only then they bind."""
        if self.waiting and self.shared and now > self._at:
            for rank, share in enumerate(self.shares):
                share.elapse(now - self._at, self.used[rank], self._shared_out())
        self._at = now

    def _shared_out(self) -> int:
        """Seats as shares see them: where tokens run out before seats do, those in use and the next one."""
        return min(self.seats, self.in_flight + 1)

    # --- whose turn it is -------------------------------------------------------------------------------------------
    def has_room(self, rank: int, now: Instant) -> bool:
        """Whether a tier is below its share: Enterprise's ceiling, Flex's guarantee, Test's floor."""
        self._elapse(now)
        return self.shares[rank].has_room(self.used[rank], self._shared_out())

    def order(self, waiting: list[int], now: Instant) -> list[int]:
        """Who is asked for a free seat, first to last, of those who wait for it.

        Enterprise below its ceiling, Flex below its guarantee, Test below its floor; then whatever is idle goes to Flex,
        Test, and Enterprise above its ceiling: no share keeps a seat empty.
        """
        if self.shared:
            due = [rank for rank in waiting if self.has_room(rank, now)]
            return due + [rank for rank in (FLEX, TEST, ENTERPRISE) if rank in waiting and rank not in due]
        if LENT in waiting and not self.may_lend(now):
            return [rank for rank in waiting if rank != LENT]
        return waiting

    # --- lending and preemption -------------------------------------------------------------------------------------
    def may_lend(self, now: Instant) -> bool:
        return self.seats - self.in_flight > self.rules.kept_back and self.budget(now) >= 0

    def may_preempt(self, now: Instant) -> bool:
        """Of shared seats: while Enterprise is below its ceiling and Test above its floor, and not too often.

        Seats that were lent are always given back; what that wastes counts too, and stops lending for a while.
        """
        if not self.shared:
            return True
        floor = self.rules.test.share * self.seats
        return self.used[TEST] * 1000 > floor and self.has_room(ENTERPRISE, now) and self.budget(now) > 0

    def preempt(self, wasted: int, now: Instant) -> None:
        self._budget = self.budget(now) - wasted * 1000
        self.preempted += 1

    def budget(self, now: Instant) -> int:
        rate = self.rules.preempt_share * self.seats
        most = rate * self.rules.preempt_window
        self._budget = most if self._budget is None else min(self._budget + rate * (now - self._budget_at), most)
        self._budget_at = now
        return self._budget

    def lends_at(self, now: Instant) -> Instant | None:
        """When the budget allows lending again; None: it does, or time alone does not change it."""
        lacking = -self.budget(now)
        rate = self.rules.preempt_share * self.seats
        return Instant(now - (-lacking // rate)) if lacking > 0 and rate else None

    # --- second attempts --------------------------------------------------------------------------------------------
    def called(self, now: Instant) -> None:
        self._calls += 1
        if now - self._minute >= MINUTE:
            self._halve(now)

    def may_retry(self, now: Instant) -> bool:
        """Counts one if so."""
        self._halve(now)
        if self._retried * 1000 >= self._calls * self.rules.retry_share + self.rules.retry_floor * 1000:
            return False
        self._retried += 1
        return True

    def _halve(self, now: Instant) -> None:
        minutes = min((now - self._minute) // MINUTE, 32)
        if minutes > 0:
            self._calls >>= minutes
            self._retried >>= minutes
            self._minute = now
