"""What holds over a whole run: organizations that wait all the time get the same, and Test's calls do not delay Enterprise's."""

import heapq
from collections import Counter
from collections.abc import Iterable

from hypothesis import given, settings, strategies as st
from seats import claim, lane

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.attempt import OK, Spent
from puyun.scheduler.decision import Decision, Grant
from puyun.scheduler.lane import CostRatios, LaneSpec
from puyun.scheduler.rules import Rules
from puyun.scheduler.scheduler import Scheduler

PATIENT = 3600 * SECOND
WEIGHTS = Rules(weights={2: 2, 3: 4})


@settings(max_examples=40)
@given(
    seats=st.integers(1, 5),
    sizes=st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400), st.integers(1, 9)), min_size=20, max_size=60),
)
def test_those_that_wait_all_the_time_are_served_alike(seats: int, sizes: list[tuple[int, int, int]]) -> None:
    """The counters' theorem, by seats: |served a - served b|, each by its weight, is at most 2 · seats · dearest call.

    One organization's estimates are wrong on purpose: of its output nothing is foreseen. Each organization has a call of its own waiting at
    every moment, and its own order of sizes.
    """
    scheduler = Scheduler(WEIGHTS)
    spec = lane(1, seats=seats)
    scheduler.configure({1: spec}, Instant(0))
    served: Counter[int] = Counter()
    dearest = max(spec.cost(Spent(fresh=asked, output=answer)) for asked, answer, _ in sizes)
    running: list[tuple[int, int, int]] = []
    calls: dict[int, tuple[int, int]] = {}

    def ask(org: int, now: int) -> list[Decision]:
        ticket = len(calls) + 1
        calls[ticket] = org, (ticket * (org + 1)) % len(sizes)
        asked, answer, _ = sizes[calls[ticket][1]]
        foreseen = 0 if org == 1 else answer
        wanted = {"input": asked, "output": foreseen, "max_wait": PATIENT}
        return scheduler.arrive(claim(ticket, Tier.TEST, org=org, **wanted), Instant(now))

    def hear(decisions: Iterable[Decision], now: int) -> None:
        for decision in decisions:
            assert isinstance(decision, Grant), decision
            org, nth = calls[decision.ticket]
            heapq.heappush(running, (now + sizes[nth][2] * SECOND, decision.ticket, org))

    for org in (1, 2, 3):
        for _ in range(seats + 2):
            hear(ask(org, 0), 0)
    for _ in range(300):
        now, ticket, org = heapq.heappop(running)
        asked, answer, _ = sizes[calls[ticket][1]]
        spent = Spent(fresh=asked, output=answer)
        hear(ask(org, now), now)
        served[org] += spec.cost(spent)
        hear(scheduler.end(ticket, spent, OK, Instant(now)), now)
        shares = [served[org] / WEIGHTS.weights.get(org, 1) for org in (1, 2, 3)]
        assert max(shares) - min(shares) <= 2 * seats * dearest


arrivals = st.tuples(st.sampled_from(list(Tier)), st.integers(1, 3), st.integers(0, 20), st.integers(1, 8))


@settings(max_examples=60)
@given(st.lists(arrivals, min_size=5, max_size=80), st.integers(1, 3))
def test_without_test_s_calls_enterprise_s_are_seated_at_the_same_moments(
    asked: list[tuple[Tier, int, int, int]], seats: int
) -> None:
    """Seats that are set apart and not lent: to the tick. Enterprise's lanes are its own; the others have the shared ones."""
    lanes = {1: lane(1, seats=seats), 2: lane(2, "enterprise", seats=seats)}
    everything = dict(enumerate(asked, 1))
    alone = {ticket: each for ticket, each in everything.items() if each[0] is not Tier.TEST}
    assert seated(lanes, everything) == seated(lanes, alone)


def seated(lanes: dict[int, LaneSpec], asked: dict[int, tuple[Tier, int, int, int]]) -> dict[int, Instant]:
    """When each of Enterprise's calls got its seat."""
    scheduler = Scheduler()
    scheduler.configure(lanes, Instant(0))
    events = [(each[2] * SECOND, "arrives", ticket) for ticket, each in asked.items()]
    found: dict[int, Instant] = {}
    heapq.heapify(events)
    while events:
        moment, what, ticket = heapq.heappop(events)
        now = Instant(moment)
        out = scheduler.wake(now)
        if what == "arrives":
            out += scheduler.arrive(_claim(ticket, asked[ticket]), now)
        else:
            out += scheduler.end(ticket, Spent(fresh=1), OK, now)
        for decision in out:
            if isinstance(decision, Grant):
                tier, _, _, duration = asked[decision.ticket]
                heapq.heappush(events, (now + duration * SECOND, "ends", decision.ticket))
                if tier is Tier.ENTERPRISE:
                    found[decision.ticket] = now
    return found


def _claim(ticket: int, asked: tuple[Tier, int, int, int]) -> Claim:
    tier, org, _, _ = asked
    lanes = (2,) if tier is Tier.ENTERPRISE else (1,)
    return claim(ticket, tier, org=org, lanes=lanes, max_wait=PATIENT)


def test_a_cached_token_costs_a_tenth() -> None:
    spec = lane(ratios=CostRatios(cached=100, written=1250, output=4000))
    assert spec.cost(Spent(fresh=10, cached=10, written=4, output=1)) == 10_000 + 1_000 + 5_000 + 4_000
