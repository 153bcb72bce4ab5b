"""Each figure is kept by a log that is as it should be, and missed by one that is not."""

import pytest
from msgspec.structs import replace

from puyun.catalog.model import Tier
from puyun.kit.clock import MINUTE, SECOND
from puyun.limits.table import DEFAULTS
from puyun.sim.scenario import Upstream
from puyun.sim.tiers.call import Call, Ended
from puyun.sim.tiers.figures import MILLION, figures
from puyun.sim.tiers.run import Log
from puyun.sim.tiers.scenarios import FLEX, SCENARIOS, TEST
from puyun.sim.tiers.targets import Ran, Target, _levels, _too_soon, targets
from puyun.sim.tiers.upstream import Behaviour


def call(number: int, tier: Tier, org: int, *, asked: int, wait: int = 0, seat: int = SECOND, place: int = 0) -> Call:
    found = Call(number, place, tier, org=org, key=org)
    found.arrived = found.asked = asked
    found.granted, found.ended = asked + wait, asked + wait + seat
    found.cost, found.outcome = 1_000, Ended.SERVED
    return found


def ran(name: str, calls: list[Call], **changes: object) -> Ran:
    scenario = replace(SCENARIOS[name], warm=0, **changes)
    log = Log(scenario, calls)
    for each in calls:
        log.came[each.source, each.org] += 1
    return Ran(log, figures(log, "puyun", 1))


def told(number: int, **runs: Ran) -> list[Target]:
    return [
        target
        for target in targets({name.replace("_", "-"): each for name, each in runs.items()})
        if target.number == number and target.kept is not None
    ]


def enterprise(wait: int, *, later: int = 0) -> list[Call]:
    return [call(n, Tier.ENTERPRISE, 1, asked=n * SECOND, wait=wait + later * (n % 2)) for n in range(100)]


@pytest.mark.parametrize(("wait", "kept"), [(0, True), (250_000, True), (250_001, False)])
def test_the_promised_wait(wait: int, kept: bool) -> None:
    assert [target.kept for target in told(1, test_10=ran("test-10", enterprise(wait)))] == [kept]


@pytest.mark.parametrize(("later", "same", "soon"), [(0, True, True), (20_000, False, True), (20_001, False, False)])
def test_seats_with_test_and_without(later: int, same: bool, soon: bool) -> None:
    without, crowded = enterprise(10), enterprise(10, later=later)
    runs = {
        name: ran(name.replace("_", "-"), calls)
        for name, calls in (("apart_0", without), ("apart_10", crowded), ("test_0", without), ("test_10", crowded))
    }
    _, equal, close = told(1, **runs)
    assert (equal.kept, close.kept) == (same, soon)
    assert equal.found.startswith("0 of 100" if same else "50 of 100")


def served(orgs: tuple[int, ...], tier: Tier, parts: list[int]) -> list[Call]:
    return [
        call(n, tier, org, asked=2 * SECOND * n, seat=SECOND)
        for org, part in zip(orgs, parts, strict=True)
        for n in range(part)
    ]


def test_fairness() -> None:
    even = ran("fair", served(TEST, Tier.TEST, [50] * len(TEST)))
    uneven = ran("fair", served(TEST, Tier.TEST, [50, 70] * (len(TEST) // 2)))
    assert [target.kept for target in (*told(2, fair=even), *told(3, fair=even))] == [True, True]
    assert [target.kept for target in told(2, fair=uneven)] == [False]
    assert [target.kept for target in told(3, fair=uneven)] == [False]


@pytest.mark.parametrize(("parts", "kept"), [([20, 20, 40, 40, 80, 80], True), ([20, 20, 40, 40, 80, 84], False)])
def test_weights(parts: list[int], kept: bool) -> None:
    assert [target.kept for target in told(2, weights=ran("weights", served(FLEX[:6], Tier.FLEX, parts)))] == [kept]


@pytest.mark.parametrize(("seconds", "kept"), [(60, True), (59, False)])
def test_use(seconds: int, kept: bool) -> None:
    calls = [call(n, Tier.TEST, TEST[0], asked=0, seat=seconds * SECOND, place=2) for n in range(64)]
    used, conserved = told(4, one_pool=ran("one-pool", calls, until=60 * SECOND))
    assert used.kept is kept
    assert conserved.kept is True


def test_a_violation_anywhere_is_missed() -> None:
    fine, broken = ran("month", []), ran("burst", [])
    assert told(4, month=fine)[-1].kept is True
    broken.log.violations = 1
    found = told(4, month=fine, burst=Ran(broken.log, figures(broken.log, "puyun", 1)))[-1]
    assert (found.kept, found.found) == (False, "1 in 0 events")


@pytest.mark.parametrize(("refused", "tests", "flex_kept", "test_kept"), [(0, 4, True, True), (1, 3, False, False)])
def test_nobody_starves(refused: int, tests: int, flex_kept: bool, test_kept: bool) -> None:
    calls = [call(n, Tier.TEST, TEST[n], asked=0, seat=MINUTE, place=2) for n in range(tests)]
    run = ran("starving", [*calls, call(0, Tier.FLEX, FLEX[0], asked=0, place=1)], until=MINUTE)
    run.log.came[1, FLEX[0]] += refused
    flex, test = told(5, starving=Ran(run.log, figures(run.log, "puyun", 1)))
    assert (flex.kept, test.kept) == (flex_kept, test_kept)


@pytest.mark.parametrize(("wait", "kept"), [(125_000, True), (126_000, False)])
def test_a_flood_hurts_itself(wait: int, kept: bool) -> None:
    def calm(wait: int) -> list[Call]:
        flood = call(0, Tier.FLEX, FLEX[-1], asked=0, wait=30 * SECOND, place=1)
        return [flood, *[call(n, Tier.FLEX, FLEX[0], asked=n, wait=wait) for n in range(10)]]

    found = told(6, flood_1=ran("flood-1", calm(100_000)), flood_20=ran("flood-20", calm(wait)))
    assert [target.kept for target in found] == [kept]


def test_limits_are_kept_to_the_call() -> None:
    """Test: 20 a minute, ten seconds' worth of them at once, 4 in flight."""
    assert {(rule.amount, rule.burst) for rule in DEFAULTS if rule.tier is Tier.TEST and rule.metric == "rpm"} == {
        (20, 10)
    }
    times = [0, 0, 0, 2 * SECOND, *range(5 * SECOND, 60 * SECOND, 3 * SECOND)]
    assert _too_soon(times, 20, 10 * SECOND) == 0
    assert _too_soon([0, 0, 0, 2 * SECOND - 1], 20, 10 * SECOND) == 1

    def limited(times: list[int], seat: int = SECOND) -> list[bool | None]:
        calls = [call(n, Tier.TEST, TEST[0], asked=at, seat=seat, place=2) for n, at in enumerate(times)]
        return [target.kept for target in told(7, limits=ran("limits", calls))]

    assert limited(times) == [True]
    assert limited([*times, 6 * SECOND]) == [False]
    assert limited(times, seat=30 * SECOND) == [False], "too many in flight"


def hidden(in_use: int, later: int, refusals: int, recovered: int) -> Ran:
    scenario = SCENARIOS["hidden-limit"]
    (_, limit), (change, doubled) = scenario.upstreams[0].allows
    assert (limit, doubled) == (20, 40)
    calls = [call(n, Tier.FLEX, FLEX[0], asked=0, seat=change) for n in range(in_use)]
    calls += [call(n, Tier.FLEX, FLEX[0], asked=change + recovered, seat=MINUTE) for n in range(later)]
    found = ran("hidden-limit", calls)
    lane = found.log.lanes[1] = Behaviour(Upstream(id=1))
    lane.taken, lane.refusals = [2 * MINUTE] * 990, [SECOND] * 50 + [2 * MINUTE] * refusals
    return found


@pytest.mark.parametrize(
    ("log", "kept"),
    [
        (hidden(18, 38, 10, 2 * MINUTE), [True, True, True]),
        (hidden(17, 38, 11, 2 * MINUTE + 1), [False, False, False]),
        (hidden(20, 37, 0, 0), [True, True, False]),
    ],
)
def test_a_hidden_limit_is_found_and_followed(log: Ran, kept: list[bool]) -> None:
    assert [target.kept for target in told(9, hidden_limit=log)] == kept


@pytest.mark.parametrize(
    ("seats", "after", "kept"), [(61, 30 * SECOND, True), (61, 30 * SECOND + 1, False), (59, 0, False)]
)
def test_lanes_that_were_down_are_in_use_again(seats: int, after: int, kept: bool) -> None:
    back = SCENARIOS["all-429"].upstreams[0].allows[-1][0]
    calls = [call(n, Tier.FLEX, FLEX[0], asked=0, seat=MINUTE) for n in range(64)]
    calls += [call(n, Tier.FLEX, FLEX[0], asked=back + after, seat=MINUTE) for n in range(seats)]
    assert [target.kept for target in told(9, all_429=ran("all-429", calls))] == [kept]


def test_what_was_not_run_is_not_judged() -> None:
    found = targets({})
    assert {target.kept for target in found} == {None}
    assert {target.number for target in found} == set(range(1, 10))
    assert next(target for target in found if target.number == 6).found == "needs flood-1, flood-20"


def test_nothing_served_is_missed() -> None:
    assert [target.kept for target in told(2, fair=ran("fair", []))] == [False]


def test_calls_at_once() -> None:
    calls = [call(0, Tier.TEST, 1, asked=0, seat=10), call(1, Tier.TEST, 1, asked=10, seat=10)]
    assert _levels(calls) == [(0, 1), (10, 0), (10, 1), (20, 0)], "one ends before the other begins"


def test_parts_are_of_the_mean() -> None:
    found = ran("weights", served(FLEX[:6], Tier.FLEX, [20, 20, 40, 40, 80, 80])).figures.of(Tier.FLEX)
    assert {part for _, part in found.shares} == {MILLION}
