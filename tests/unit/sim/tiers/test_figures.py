from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, strategies as st

from puyun.catalog.model import Tier
from puyun.sim.scenario import Scenario, Source, Upstream
from puyun.sim.tiers.call import Call, Ended, cost
from puyun.sim.tiers.figures import (
    BINS,
    MILLION,
    PARTS,
    figures,
    jain_ppm,
    overlap,
    quantile,
    served_by_org,
    service_gap,
)
from puyun.sim.tiers.run import Log

SCENARIO = Scenario(
    name="s",
    about="",
    upstreams=(Upstream(id=1, seats=2),),
    sources=(
        Source(name="e", tier=Tier.ENTERPRISE, orgs=(1,), load=1),
        Source(name="t", tier=Tier.TEST, orgs=(2, 3), load=1),
    ),
    warm=10,
    until=110,
)


def call(org: int, asked: int, granted: int, ended: int, *, cost: int = 100) -> Call:
    found = Call(asked, 0 if org == 1 else 1, Tier.ENTERPRISE if org == 1 else Tier.TEST, org=org, key=org)
    found.arrived = found.asked = asked
    found.granted, found.ended, found.cost, found.outcome = granted, ended, cost, Ended.SERVED
    return found


def log(calls: Iterable[Call]) -> Log:
    made = Log(SCENARIO, list(calls))
    made.came = Counter({(0, 1): 2, (1, 2): 3})
    made.refused = Counter({(1, 2, "expired"): 1, (1, 2, "left"): 1})
    return made


def test_figures_of_a_few_calls() -> None:
    found = figures(log([call(1, 20, 20, 60), call(1, 30, 40, 90), call(2, 5, 10, 60), call(2, 30, 60, 210)]), "p", 3)
    enterprise, test = found.tiers
    assert (enterprise.tier, enterprise.came, enterprise.served, enterprise.refused) == (Tier.ENTERPRISE, 2, 2, 0)
    assert (enterprise.wait_p50, enterprise.wait_p99, enterprise.wait_max) == (0, 10, 10)
    assert (test.came, test.served, test.refused, test.left) == (3, 1, 1, 1)
    assert test.reasons == {"expired": 1, "left": 1}
    assert test.done_ppm == MILLION // 3
    assert enterprise.seats_ppm == (40 + 50) * MILLION // 200
    assert test.seats_ppm == (50 + 50) * MILLION // 200
    assert found.use_ppm == enterprise.seats_ppm + test.seats_ppm
    assert test.jain_ppm == MILLION // 2, "organization 3 had nothing"
    assert test.shares == ((2, 2 * MILLION), (3, 0))
    assert (enterprise.gap_milli, test.gap_milli) == (0, 0), "one alone, and one alone that was served"


def test_what_is_drawn() -> None:
    found = figures(log([call(1, 20, 21, 60), call(2, 30, 60, 210, cost=15_000)]), "p", 3)
    enterprise, test = found.series
    assert [len(each) for each in (test.wait_p99, test.seats_ppm, test.jain_ppm)] == [BINS] * 3
    assert [wait for wait in enterprise.wait_p99 if wait is not None] == [1]
    assert len(test.waits) == len(PARTS)
    assert set(test.waits) == {30}
    assert max(test.seats_ppm) == MILLION // 2
    assert set(test.least) == {0}, "organization 3 had nothing"
    assert (test.most[0], test.most[-1]) == (0, 15_000 * 36 // 150)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20))
def test_jains_index_lies_between_one_for_all_and_all_for_one(shares: list[int]) -> None:
    found = jain_ppm(shares)
    assert MILLION // len(shares) <= found <= MILLION
    assert jain_ppm([5] * len(shares)) == MILLION
    assert jain_ppm([5, *[0] * (len(shares) - 1)]) == MILLION // len(shares)


def test_quantiles_occurred() -> None:
    assert [quantile(range(1, 101), part) for part in (0, 10, 500, 990, 1_000)] == [1, 1, 50, 99, 100]
    assert quantile([], 990) == 0


def test_a_call_counts_for_the_part_that_is_within() -> None:
    found = call(2, 0, 10, 110)
    assert [overlap(found, *span) for span in ((0, 10), (0, 60), (20, 30), (100, 200), (110, 200))] == [
        0,
        50,
        10,
        10,
        0,
    ]
    assert served_by_org([found], 0, 60) == {2: 50}


@given(st.lists(st.tuples(st.integers(2, 4), st.integers(1, 50), st.sampled_from([10, 40, 90])), max_size=12))
def test_the_gap_is_that_of_every_stretch_of_time(ends: list[tuple[int, int, int]]) -> None:
    """Calls that end at one moment have an order, so a stretch is from one call to another."""
    calls = [call(org, 0, 0, at, cost=cost) for org, at, cost in ends]
    weights = {3: 2}
    orgs = {each.org for each in calls}
    order = sorted(calls, key=lambda each: (each.ended, each.number))

    def served(org: int, stretch: list[Call]) -> int:
        return sum(each.cost // weights.get(org, 1) for each in stretch if each.org == org)

    stretches = [order[first:last] for first in range(len(order)) for last in range(first, len(order) + 1)]
    gaps = [served(one, each) - served(other, each) for each in stretches for one in orgs for other in orgs]
    found, dearest = service_gap(calls, weights, 0, 100)
    assert found == max(gaps, default=0)
    assert dearest == max((each.cost for each in calls), default=0)


def test_cost_is_in_tokens_of_a_prompt() -> None:
    assert cost(100, 10) == 140


def test_no_calls_at_all() -> None:
    found = figures(Log(SCENARIO), "p", 1)
    assert found.use_ppm == 0
    assert found.of(Tier.TEST).came == 0
    with pytest.raises(StopIteration):
        found.of(Tier.FLEX)
