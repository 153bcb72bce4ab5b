"""Any history of events, each followed by all invariants of scheduler/README.md, against a book of who waits and who runs."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random  # noqa: TID251  # seeded, to write long histories

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from seats import claim, lane

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.attempt import Signal, SignalKind, Spent
from puyun.scheduler.decision import Decision, Grant, Preempted, Why
from puyun.scheduler.flow import Call, Line
from puyun.scheduler.lane import Facts, Lane, LaneSpec, lends
from puyun.scheduler.level import Level
from puyun.scheduler.pool import ENTERPRISE, FLEX, LENT, RANK, RANKS, TEST
from puyun.scheduler.rules import Rules, TierRules
from puyun.scheduler.scheduler import Scheduler

ORGS = st.integers(1, 4)
TIERS = st.sampled_from(list(Tier))
NTH = st.integers(0, 99)
KINDS = [SignalKind.OK] * 4 + list(SignalKind)
SMALL = Rules(
    test=TierRules(share=50, queue_org=4, queue_per_seat=2, max_wait=120 * SECOND, retries=1, protect=250),
    flex=TierRules(share=500, queue_org=4, queue_per_seat=2, max_wait=30 * SECOND, retries=2, protect=100),
    enterprise=TierRules(share=450, queue_org=4, queue_per_seat=2, max_wait=10 * SECOND, retries=3, protect=0),
    kept_back=1,
    weights={2: 3},
)
"""Queues that fill within a short history."""


def nth(things: list[int], n: int) -> int:
    return things[n % len(things)]


def may_use(spec: LaneSpec, claim: Claim) -> bool:
    """Worked out again, from the words of DESIGN 6."""
    if spec.pool == "shared" or spec.owner == claim.org:
        return True
    if spec.pool == "enterprise" and claim.tier is Tier.ENTERPRISE:
        return True
    return claim.tier is Tier.TEST and lends(spec)


@dataclass
class Known:
    """What the one who asks knows of a call."""

    claim: Claim
    arrived: int
    lane: int | None = None
    begun: bool = False
    tried: set[int] = field(default_factory=set)
    preempted: int = 0
    since: int = 0
    left: int = 0
    """Patience, µs, as of `since`."""


class Watched(Scheduler):
    """Looks at every grant before it happens."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules)
        self.book: dict[int, Known] = {}
        self.reclaiming = False

    def _seat(self, call: Call, level: Level, lane: Lane[Line], place: int, now: Instant) -> Grant:
        if not self.reclaiming:
            assert lane.in_flight < lane.seats, "a seat that is not there"
            assert now >= lane.until, "a seat of a lane that is paused"
            if place == LENT:
                assert lane.pool.seats - lane.pool.in_flight > self.rules.kept_back, "lent what is kept back"
            if lane.spec.pool == "shared" and not lane.metered and not lane.breaker.tripped:
                self.check_shares(call, lane)
        return super()._seat(call, level, lane, place, now)

    def check_shares(self, call: Call, lane: Lane[Line]) -> None:
        pool = lane.pool
        among = min(pool.seats, pool.in_flight + 1)
        rank = call.rank
        waiting = {RANK[each.tier] for each in self.waiting_for(lane) if each.ticket != call.ticket}

        def whole(of: int) -> int:
            return self.rules.of(RANKS[of]).share * among // 1000

        if rank == ENTERPRISE and pool.used[ENTERPRISE] > whole(ENTERPRISE):
            assert not waiting & {FLEX, TEST}, "Enterprise above its ceiling while others wait"
        if rank == TEST and pool.used[FLEX] < whole(FLEX):
            assert FLEX not in waiting, "Test before Flex has its guarantee"
        if rank == TEST and pool.used[TEST] > whole(TEST):
            assert FLEX not in waiting, "Test above its floor while Flex waits"
        if rank == FLEX and pool.used[FLEX] > whole(FLEX) and pool.used[TEST] < whole(TEST):
            assert TEST not in waiting, "Flex above its guarantee while Test is below its floor"
        if rank != ENTERPRISE and pool.used[ENTERPRISE] < whole(ENTERPRISE):
            assert ENTERPRISE not in waiting, "others before Enterprise below its ceiling"

    def waiting_for(self, lane: Lane[Line]) -> list[Claim]:
        """Asked in the middle of an event too, when not all of its decisions have been heard."""
        return [
            known.claim
            for ticket, known in self.book.items()
            if (call := self._calls.get(ticket)) and call.lane is None and lane.id in known.claim.lanes
            if lane.id not in known.tried and not lane.retired and may_use(lane.spec, known.claim)
        ]


class SchedulerMachine(RuleBasedStateMachine):
    @initialize(
        seats=st.lists(st.integers(1, 4), min_size=1, max_size=2),
        rpm=st.sampled_from([None, None, 30]),
        own=st.booleans(),
        more=st.sets(st.sampled_from(["enterprise", "dedicated:1", "dedicated:2"])),
        lend=st.booleans(),
    )
    def start(self, seats: list[int], rpm: int | None, own: bool, more: set[str], lend: bool) -> None:
        self.now = Instant(1000 * SECOND)
        self.next = 0
        self.specs = {id_: lane(id_, seats=n, own=own, rpm=rpm) for id_, n in enumerate(seats, 1)}
        for id_, pool in enumerate(sorted(more), 10):
            self.specs[id_] = lane(id_, pool, seats=3, own=True, lend=lend)
        self.scheduler = Watched(SMALL)
        self.book = self.scheduler.book
        self.ended: Counter[int] = Counter()
        self.widest = 0
        self.configured()

    def configured(self) -> None:
        """Those who waited before there were fewer seats wait on, so queues are bounded by the most there were."""
        self.widest = max(self.widest, sum(spec.seats for spec in self.specs.values()))
        self.hear(self.scheduler.configure(self.specs, self.now))

    # --- what it says ------------------------------------------------------------------------------------------------
    def hear(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            known = self.book[decision.ticket]
            if isinstance(decision, Grant):
                assert known.lane is None, "a second seat"
                assert decision.lane in known.claim.lanes
                assert decision.lane not in known.tried
                assert may_use(self.specs[decision.lane], known.claim), "a seat of others"
                assert decision.waited == self.now - known.arrived
                known.lane = decision.lane
                known.left = max(known.since + known.left - self.now, 0)
                known.since = self.now
            elif isinstance(decision, Preempted):
                assert known.lane is not None
                assert not known.begun
                assert known.claim.tier is Tier.TEST
                assert self.specs[known.lane].own
                known.preempted += 1
                assert known.preempted <= SMALL.preemptions
                known.lane, known.since = None, self.now
            else:
                assert known.lane is None, "refused while it has a seat"
                assert decision.retry_after >= 0
                if decision.why is Why.EXPIRED:
                    assert known.since + known.left <= self.now, "expired before its time"
                self.finish(decision.ticket)

    def finish(self, ticket: int) -> None:
        self.ended[ticket] += 1
        assert self.ended[ticket] == 1, "ended twice"
        del self.book[ticket]

    def running(self) -> list[int]:
        return [ticket for ticket, known in self.book.items() if known.lane is not None]

    def silent(self) -> list[int]:
        return [ticket for ticket in self.running() if not self.book[ticket].begun]

    def waiting(self) -> list[int]:
        return [ticket for ticket, known in self.book.items() if known.lane is None]

    # --- what happens ------------------------------------------------------------------------------------------------
    @rule(
        tier=TIERS,
        org=ORGS,
        key=st.integers(1, 2),
        model=st.sampled_from([1, 1, 2]),
        wait=st.sampled_from([0, SECOND, 10 * SECOND, 60 * SECOND]),
        priority=st.sampled_from([5, 5, 0]),
        size=st.integers(1, 500),
        times=st.integers(1, 5),
    )
    def arrive(self, *, times: int, size: int, wait: int, **asked: object) -> None:
        for _ in range(times):
            self.next += 1
            tokens = {"input": size, "output": size, "max_wait": wait}
            wanted = claim(self.next, lanes=tuple(self.specs), **tokens, **asked)
            self.book[self.next] = Known(wanted, self.now, since=self.now, left=wait)
            self.hear(self.scheduler.arrive(wanted, self.now))

    @precondition(lambda self: self.running())
    @rule(n=NTH, kind=st.sampled_from(KINDS), output=st.integers(0, 900))
    def end(self, n: int, kind: SignalKind, output: int) -> None:
        ticket = nth(self.running(), n)
        self.finish(ticket)
        spent = Spent(fresh=output // 2, cached=output // 3, output=output)
        self.hear(self.scheduler.end(ticket, spent, Signal(kind), self.now))

    @precondition(lambda self: self.running())
    @rule(n=NTH)
    def begin(self, n: int) -> None:
        ticket = nth(self.running(), n)
        self.book[ticket].begun = True
        self.hear(self.scheduler.begin(ticket, self.now))

    @precondition(lambda self: self.running())
    @rule(n=NTH, output=st.integers(0, 2000))
    def progress(self, n: int, output: int) -> None:
        self.hear(self.scheduler.progress(nth(self.running(), n), output, self.now))

    @precondition(lambda self: self.silent())
    @rule(n=NTH, kind=st.sampled_from([SignalKind.OVERLOADED, SignalKind.FAILED]))
    def elsewhere(self, n: int, kind: SignalKind) -> None:
        ticket = nth(self.silent(), n)
        known = self.book[ticket]
        known.tried.add(known.lane)
        known.lane, known.since = None, self.now
        self.hear(self.scheduler.elsewhere(ticket, Signal(kind), self.now))
        assert ticket not in self.book or len(known.tried) <= SMALL.of(known.claim.tier).retries

    @precondition(lambda self: self.waiting())
    @rule(n=NTH)
    def cancel(self, n: int) -> None:
        ticket = nth(self.waiting(), n)
        self.finish(ticket)
        self.hear(self.scheduler.cancel(ticket, self.now))

    @rule(duration=st.sampled_from([1, 1000, SECOND, 3 * SECOND, 20 * SECOND, 90 * SECOND]))
    def time_passes(self, duration: int) -> None:
        end = Instant(self.now + duration)
        while (due := self.scheduler.next_wake) is not None and due <= end:
            assert due >= self.now, "a wake that was due before"
            self.now = due
            self.hear(self.scheduler.wake(due))
            assert self.scheduler.next_wake is None or self.scheduler.next_wake > due, "polling"
            self.everything_holds()
        self.now = end

    @rule(n=NTH, seats=st.integers(1, 5), gone=st.booleans())
    def configure(self, n: int, seats: int, gone: bool) -> None:
        changed = nth(sorted(self.specs), n)
        old = self.specs[changed]
        if gone and len(self.specs) > 1 and not any(known.lane == changed for known in self.book.values()):
            del self.specs[changed]
        else:
            self.specs[changed] = lane(changed, old.pool, seats=seats, own=old.own, lend=old.lend, rpm=old.rpm)
        self.configured()

    @rule(tier=TIERS, org=ORGS, n=NTH)
    def reclaim(self, tier: Tier, org: int, n: int) -> None:
        self.next += 1
        wanted = claim(self.next, tier, org=org, lanes=tuple(self.specs))
        usable = [id_ for id_, spec in self.specs.items() if may_use(spec, wanted)]
        if usable:
            self.scheduler.reclaiming = True
            self.book[self.next] = Known(wanted, self.now, lane=nth(usable, n), begun=True)
            self.hear(self.scheduler.reclaim(wanted, nth(usable, n), self.now))
            self.scheduler.reclaiming = False

    @rule(n=NTH, waiting=st.integers(0, 2), kv=st.sampled_from([100, 950]))
    def observe(self, n: int, waiting: int, kv: int) -> None:
        self.hear(self.scheduler.observe(nth(sorted(self.specs), n), Facts(waiting=waiting, kv=kv), self.now))

    # --- what always holds -------------------------------------------------------------------------------------------
    @invariant()
    def everything_holds(self) -> None:
        scheduler = self.scheduler
        assert set(scheduler._calls) == set(self.book), "a call that only one side knows"
        for id_, found in scheduler._lanes.items():
            here = [known for known in self.book.values() if known.lane == id_]
            assert found.in_flight == len(here)
            assert found.used == [sum(known.claim.tier is tier for known in here) for tier in RANKS]
            assert 1 <= found.seats <= found.spec.seats
        for pool in {id(found.pool): found.pool for found in scheduler._lanes.values()}.values():
            lanes = [found for found in scheduler._lanes.values() if found.pool is pool]
            assert set(pool.lanes) == set(lanes)
            assert pool.seats == sum(found.seats for found in lanes)
            assert pool.in_flight == sum(found.in_flight for found in lanes) == sum(pool.used)
            assert pool.lent == sum(found.lent for found in lanes)
            assert pool.waiting == sum(found.active for found in lanes)
        self.queues_are_bounded()
        self.no_seat_is_idle_while_somebody_waits()

    def queues_are_bounded(self) -> None:
        queued: Counter[tuple[Tier, int, int]] = Counter()
        for ticket in self.waiting():
            call = self.scheduler._calls[ticket]
            known = self.book[ticket]
            assert call.flow is not None
            assert ticket in {each.ticket for each in call.flow}
            assert known.since + known.left > self.now, "waits longer than it may"
            queued[known.claim.tier, known.claim.model, known.claim.org] += not call.again
        assert all(n <= SMALL.of(tier).queue_org for (tier, _, _), n in queued.items())
        for rank, levels in enumerate(self.scheduler._levels):
            for model, level in levels.items():
                here = {org: n for (tier, of, org), n in queued.items() if (tier, of) == (RANKS[rank], model)}
                assert sum(here.values()) <= max(level.rules.of(RANKS[rank]).queue_per_seat * self.widest, level.bound)
                assert level.waiting == sum(tab.waiting for tab in level.tabs.values())
                assert level._longest == max((tab.waiting for tab in level.tabs.values()), default=0)

    def no_seat_is_idle_while_somebody_waits(self) -> None:
        for found in self.scheduler._lanes.values():
            if not found.is_open(self.now):
                continue
            able = self.scheduler.waiting_for(found)
            if not found.pool.shared and not found.pool.may_lend(self.now):
                able = [each for each in able if found.spec.owner == each.org or each.tier is Tier.ENTERPRISE]
            if not found.metered:
                assert not able, "an idle seat, and somebody waits for it"
            for each in able:
                assert found.wait(RANK[each.tier], each.input, each.output, self.now), (
                    "tokens, a seat, and somebody waits"
                )


SchedulerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
test_any_history = SchedulerMachine.TestCase


@pytest.mark.parametrize("seed", range(8))
def test_long_histories_of_crowded_pools(seed: int) -> None:
    """Hypothesis finds the short ones; these are long enough for everything to be full."""
    dice = Random(seed)
    for _ in range(6):
        machine = SchedulerMachine()
        pools = {pool for pool in ("enterprise", "dedicated:1", "dedicated:2") if dice.random() < 0.5}
        seats = [dice.randint(1, 6) for _ in range(dice.randint(1, 3))]
        rpm = 60 if dice.random() < 0.2 else None
        machine.start(seats=seats, rpm=rpm, own=dice.random() < 0.6, more=pools, lend=dice.random() < 0.6)
        for _ in range(150):
            something(machine, dice)
            machine.everything_holds()


def something(machine: SchedulerMachine, dice: Random) -> None:
    n = dice.randrange(100)
    what = dice.choices(range(9), weights=[40, 30, 6, 2, 4, 3, 12, 1, 2])[0]
    if what == 0:
        tier = dice.choice(list(Tier))
        wait = dice.choice([0, 10 * SECOND, 60 * SECOND, 60 * SECOND])
        size, times = dice.randint(1, 500), dice.randint(1, 3)
        asked = {"org": dice.randint(1, 4), "key": dice.randint(1, 2), "model": dice.choice([1, 1, 1, 2])}
        machine.arrive(tier=tier, wait=wait, size=size, times=times, priority=dice.choice([5, 5, 1]), **asked)
    elif what == 1 and machine.running():
        machine.end(n, dice.choice([SignalKind.OK] * 12 + list(SignalKind)), dice.randint(0, 900))
    elif what == 2 and machine.running():
        machine.begin(n)
    elif what == 3 and machine.running():
        machine.progress(n, dice.randint(0, 2000))
    elif what == 4 and machine.silent():
        machine.elsewhere(n, dice.choice([SignalKind.OVERLOADED, SignalKind.FAILED]))
    elif what == 5 and machine.waiting():
        machine.cancel(n)
    elif what == 6:
        machine.time_passes(dice.choice([1000, SECOND // 3, SECOND, 7 * SECOND]))
    elif what == 7 and n < 50:
        machine.configure(n, dice.randint(1, 6), gone=n < 20)
    elif what == 7:
        machine.reclaim(dice.choice(list(Tier)), dice.randint(1, 4), n)
    elif what == 8:
        machine.observe(n, dice.choice([0, 0, 1]), dice.choice([100, 100, 950]))
