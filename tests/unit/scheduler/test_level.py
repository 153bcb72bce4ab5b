"""How fast a queue moves, and what a level remembers."""

from itertools import count

import pytest
from seats import claim, lane

from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.flow import Call, Line
from puyun.scheduler.lane import Lane
from puyun.scheduler.level import ROUTES_MAX, Drain, Level
from puyun.scheduler.pool import FLEX
from puyun.scheduler.rules import DEFAULTS

NOW = Instant(0)


def level() -> tuple[Level, dict[int, Lane[Line]]]:
    return Level(1, FLEX, DEFAULTS, count(1)), {1: Lane(lane(), DEFAULTS, NOW)}


@pytest.mark.parametrize("per_second", [1, 5, 50])
def test_a_steady_queue_is_seen_as_it_is_from_the_first_seconds_on(per_second: int) -> None:
    drain = Drain(DEFAULTS.drain_window)
    drain.begin(Instant(100 * SECOND))
    for n in range(1, 200 * per_second):
        now = Instant(100 * SECOND + n * SECOND // per_second)
        drain.served(now)
        if n >= 10 * per_second:
            assert drain.rate(now) * SECOND == pytest.approx(per_second, rel=0.1)


def test_a_queue_that_stands_still_is_slow_and_never_infinitely() -> None:
    drain = Drain(DEFAULTS.drain_window)
    drain.begin(NOW)
    drain.served(Instant(SECOND))
    assert 0 < drain.rate(Instant(600 * SECOND)) * SECOND <= 1 / 30 + 1e-9


def test_organizations_that_owe_nothing_are_forgotten() -> None:
    of, lanes = level()
    route = of.route((1,), 1, lanes, NOW)
    for org in range(1, 10_000):
        for who in (0, org):
            tab = of.tab(who, route)
            of.charge(tab, 1000)
            of.rest(tab, NOW)
    assert len(of.tabs) < 10


def test_one_that_owes_is_remembered_for_a_while() -> None:
    of, lanes = level()
    route = of.route((1,), 1, lanes, NOW)
    tab = of.tab(1, route)
    of.charge(tab, 5_000_000)
    of.rest(tab, NOW)
    of.rest(of.tab(2, route), Instant(DEFAULTS.idle - 1))
    assert of.tab(1, route).v == 5_000_000
    of.rest(tab, Instant(DEFAULTS.idle))
    of.rest(of.tab(2, route), Instant(DEFAULTS.idle * 2))
    assert 1 not in of.tabs


def test_a_queue_that_begins_is_judged_by_seats_and_not_by_the_last_one() -> None:
    of, lanes = level()
    route = of.route((1,), 1, lanes, NOW)
    of.kept_seat(70_000)
    call = Call(claim(1), NOW, FLEX, of.tab(1, route))
    of.enqueue(call, route, NOW)
    of.dequeue(call, NOW, served=True)
    assert of.predict(1, 0, route, Instant(600 * SECOND)) == 35_000, "two seats, 70 ms each"


def test_one_that_comes_anew_is_a_few_calls_behind_those_that_wait_and_no_more() -> None:
    of, lanes = level()
    route = of.route((1,), 1, lanes, NOW)
    waits = of.tab(1, route)
    for _ in range(1000):
        of.charge(waits, 1000)
    of.enqueue(Call(claim(1), NOW, FLEX, waits), route, NOW)
    assert of.tab(2, route).v == waits.v - DEFAULTS.credit * 1000
    assert DEFAULTS.credit > 0


def test_the_longest_queue_is_known_whatever_comes_and_goes() -> None:
    of, lanes = level()
    route = of.route((1,), 1, lanes, NOW)
    calls = []
    for ticket, org in enumerate([1, 2, 2, 3, 2, 1, 1, 1, 3]):
        calls.append(Call(claim(ticket, org=org), NOW, FLEX, of.tab(org, route)))
        of.enqueue(calls[-1], route, NOW)
    dropped = of.dropped_for(of.tabs[2])
    assert dropped is not None
    assert dropped.ticket == 7, "the newest of organization 1, which has four"
    assert of.dropped_for(of.tabs[1]) is None, "its own is the longest"
    for ticket in (0, 5, 6):
        of.dequeue(calls[ticket], NOW, served=False)
    dropped = of.dropped_for(of.tabs[1])
    assert dropped is not None
    assert dropped.ticket == 4


def test_combinations_of_lanes_are_not_remembered_without_bound() -> None:
    of, lanes = level()
    lanes |= {n: Lane(lane(n), DEFAULTS, NOW) for n in range(2, 13)}
    for mask in range(1, 1 << 12):
        wanted = tuple(n + 1 for n in range(12) if mask >> n & 1)
        of.routes[wanted] = of.route(wanted, 1, lanes, NOW)
    assert len(of.routes) <= ROUTES_MAX
