"""What is watched, by hand: seats that are free while a call waits that may have them, and seats that are not a call's."""

import pytest
from msgspec.structs import replace

from puyun.catalog.model import Tier
from puyun.sim.scenario import Scenario, Source, Upstream
from puyun.sim.tiers.call import Call
from puyun.sim.tiers.watch import EXAMPLES, Watch

LENDER = Upstream(id=1, pool="dedicated:1", owner=1, seats=4, own=True)
SHARED = Upstream(id=2, seats=1)
SCENARIO = Scenario(
    name="s",
    about="",
    upstreams=(LENDER, SHARED),
    sources=(
        Source(name="e", tier=Tier.ENTERPRISE, orgs=(1, 9), load=1),
        Source(name="f", tier=Tier.FLEX, orgs=(2,), load=1),
        Source(name="t", tier=Tier.TEST, orgs=(3,), load=1),
    ),
    until=1,
)
PLACES = {Tier.ENTERPRISE: 0, Tier.FLEX: 1, Tier.TEST: 2}
MAX_WAIT = 100


def call(tier: Tier, org: int = 0, asked: int = 0) -> Call:
    made = Call(asked, PLACES[tier], tier, org=org or PLACES[tier] + 1, key=org or PLACES[tier] + 1)
    made.arrived = made.asked = asked
    return made


def seat(watch: Watch, made: Call, lane: int, now: int = 10) -> None:
    watch.waits(made)
    made.granted, made.lane = now, lane
    watch.granted(made, MAX_WAIT)


def full(scenario: Scenario = SCENARIO, *, pooled: bool = False) -> Watch:
    """The shared seat is taken."""
    watch = Watch(scenario, pooled=pooled)
    seat(watch, call(Tier.FLEX), 2)
    watch.look(10)
    assert watch.violations == 0
    return watch


@pytest.mark.parametrize(
    ("tier", "org", "violations"),
    [
        (Tier.ENTERPRISE, 1, 1),  # its own seats are free
        (Tier.ENTERPRISE, 9, 0),  # they are another's
        (Tier.FLEX, 2, 0),
        (Tier.TEST, 3, 1),  # might borrow
    ],
)
def test_whom_free_dedicated_seats_are_kept_from(tier: Tier, org: int, violations: int) -> None:
    watch = full()
    watch.waits(call(tier, org))
    watch.look(11)
    assert watch.violations == violations


def test_anybody_may_have_a_shared_seat() -> None:
    for tier in Tier:
        watch = full()
        waiting = call(tier, 9)
        watch.waits(waiting)
        watch.freed(2)
        watch.look(11)
        assert watch.violations == 1
        watch.gone(waiting)
        watch.look(12)
        assert watch.violations == 1


def test_a_few_seats_are_never_lent_and_none_where_nothing_is() -> None:
    watch = full()
    for _ in range(2):
        seat(watch, call(Tier.TEST), 1)
    watch.waits(call(Tier.TEST))
    watch.look(11)
    assert watch.violations == 0
    for scenario in (
        replace(SCENARIO, lending=False),
        replace(SCENARIO, upstreams=(replace(LENDER, own=False), SHARED)),
    ):
        watch = full(scenario)
        watch.waits(call(Tier.TEST))
        watch.look(11)
        assert watch.violations == 0


def test_to_some_policies_all_seats_are_one_pool() -> None:
    watch = full(pooled=True)
    watch.waits(call(Tier.FLEX))
    watch.look(11)
    assert watch.violations == 1


def test_a_lane_that_refused_a_call_is_none_for_it() -> None:
    watch = full()
    waiting = call(Tier.FLEX)
    waiting.failed = (2,)
    watch.waits(waiting)
    watch.freed(2)
    watch.look(11)
    assert watch.violations == 0


@pytest.mark.parametrize("hidden", [{"allows": ((0, 1),)}, {"rpm": 10}, {"itpm": 10}, {"otpm": 10}])
def test_lanes_whose_room_cannot_be_told_are_not_watched_for_idle_seats(hidden: dict[str, object]) -> None:
    watch = full(replace(SCENARIO, upstreams=(LENDER, replace(SHARED, **hidden))))
    watch.waits(call(Tier.FLEX))
    watch.freed(2)
    watch.look(11)
    assert watch.violations == 0


@pytest.mark.parametrize(
    ("tier", "org", "lane", "now", "says"),
    [
        (Tier.FLEX, 2, 1, 10, "whose it is not"),
        (Tier.ENTERPRISE, 9, 1, 10, "whose it is not"),
        (Tier.FLEX, 2, 2, 10, "fewer seats than calls"),
        (Tier.ENTERPRISE, 1, 1, 101, "after a wait of 101"),
    ],
)
def test_seats_that_should_not_have_been_given(tier: Tier, org: int, lane: int, now: int, says: str) -> None:
    watch = full()
    seat(watch, call(tier, org), lane, now)
    assert watch.violations == 1
    assert says in watch.examples[0]


def test_a_key_is_served_in_order_but_for_calls_that_stand_in_line_again() -> None:
    watch = full()
    seat(watch, call(Tier.ENTERPRISE, 1, asked=9), 1)
    again = call(Tier.ENTERPRISE, 1, asked=5)
    again.again = True
    seat(watch, again, 1)
    assert watch.violations == 0
    seat(watch, call(Tier.ENTERPRISE, 1, asked=6), 1)
    assert "out of order" in watch.examples[0]


def test_a_source_may_be_bound_to_lanes() -> None:
    bound = replace(SCENARIO.sources[0], lanes=(1,))
    watch = Watch(replace(SCENARIO, sources=(bound, *SCENARIO.sources[1:])), pooled=False)
    seat(watch, call(Tier.ENTERPRISE, 1), 2)
    assert "whose it is not" in watch.examples[0]


def test_all_are_counted_and_few_are_kept() -> None:
    watch = full()
    watch.waits(call(Tier.ENTERPRISE, 1))
    for now in range(EXAMPLES + 4):
        watch.look(now)
    assert watch.violations == EXAMPLES + 4
    assert len(watch.examples) == EXAMPLES
