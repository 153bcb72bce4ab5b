from copy import copy

import pytest
from seats import lane

from puyun.kit.clock import MINUTE, SECOND, Instant
from puyun.scheduler.attempt import Signal, SignalKind
from puyun.scheduler.lane import Facts, Lane, LaneSpec, lends
from puyun.scheduler.rules import DEFAULTS

NOW = Instant(10**12)


def later(duration: int) -> Instant:
    return Instant(NOW + duration)


def overloaded(retry_after: int | None = None, bucket: str | None = None) -> Signal:
    return Signal(SignalKind.OVERLOADED, retry_after, bucket)


def busy(of: Lane) -> Lane:
    for _ in range(of.seats):
        of.count(1, 1, NOW, lent=False)
    return of


def test_too_much_cuts_its_seats_once_until_a_call_goes_well_again() -> None:
    tried = Lane(lane(1, seats=10), DEFAULTS, NOW)
    busy(tried)
    for at in (0, 1, 2):
        tried.overloaded(overloaded(), later(at * 10 * SECOND), later(at * 10 * SECOND))
    assert tried.seats == 8
    tried.succeeded(later(40 * SECOND), later(40 * SECOND), begun=False)
    tried.overloaded(overloaded(), later(41 * SECOND), later(41 * SECOND))
    assert tried.seats == 6


def test_one_seat_is_left_whatever_comes() -> None:
    tried = Lane(lane(1, seats=2), DEFAULTS, NOW)
    for at in range(50):
        tried.succeeded(later(at * 10 * SECOND), later(at * 10 * SECOND), begun=False)
        tried.overloaded(overloaded(), later(at * 10 * SECOND + 1), later(at * 10 * SECOND + 1))
    assert tried.seats == 1


def test_it_pauses_as_long_as_it_is_told_and_longer_each_time_where_it_is_not() -> None:
    told = Lane(lane(1, seats=10), DEFAULTS, NOW)
    told.overloaded(overloaded(7 * SECOND), NOW, NOW)
    assert told.until == later(7 * SECOND)
    pauses = []
    untold, now = Lane(lane(1, seats=10), DEFAULTS, NOW), NOW
    for _ in range(10):
        untold.overloaded(overloaded(), now, now)
        pauses.append(untold.until - now)
        now = untold.until
    assert all(min(SECOND << turn, MINUTE) <= pause <= 75 * SECOND for turn, pause in enumerate(pauses))
    assert pauses[0] < 2 * SECOND


def test_a_bucket_that_ran_out_is_closed_and_the_rest_goes_on() -> None:
    metered = Lane(LaneSpec(id=1, seats=4, rpm=60, itpm=1_000), DEFAULTS, NOW)
    metered.overloaded(overloaded(3 * SECOND, "itpm"), NOW, NOW)
    assert metered.until == NOW
    assert metered.wait(1, 10, 10, NOW) == 3 * SECOND


def test_it_grows_back_only_while_it_is_used() -> None:
    idle, used = Lane(lane(1, seats=10), DEFAULTS, NOW), Lane(lane(1, seats=10), DEFAULTS, NOW)
    for each in (idle, used):
        each.overloaded(overloaded(0), NOW, NOW)
    busy(used)
    for _ in range(40):
        idle.succeeded(NOW, NOW, begun=False)
        used.succeeded(NOW, NOW, begun=False)
    assert (idle.seats, used.seats) == (8, 10)


@pytest.mark.parametrize("seats", range(2, 33))
def test_one_that_is_full_grows_back_to_its_size_from_wherever_cuts_left_it(seats: int) -> None:
    tried, now = Lane(lane(1, seats=seats), DEFAULTS, NOW), NOW
    while tried.seats > 1:
        now = Instant(now + MINUTE)
        tried.succeeded(now, now, begun=False)
        tried.overloaded(overloaded(), now, now)
        left = copy(tried)
        for _ in range(seats * seats + seats):
            left.in_flight = left.seats
            left.succeeded(now, now, begun=False)
        assert left.seats == seats


def test_failures_trip_it_and_one_call_at_a_time_tries() -> None:
    ill = Lane(lane(1, seats=10), DEFAULTS, NOW)
    for _ in range(5):
        ill.failed(NOW)
    assert ill.until > NOW
    assert ill.seats == 1
    ill.answered(SECOND, later(20 * SECOND))
    assert ill.seats == 10


def down(seats: int) -> tuple[Lane[None], Instant]:
    """A full lane that refuses everything until it works on nothing more, and the moment of its last refusal."""
    lost, now = Lane(lane(1, seats=seats), DEFAULTS, NOW), later(MINUTE)
    busy(lost)
    lost.overloaded(overloaded(0), NOW, now)
    for left in range(seats - 1, 0, -1):
        now = Instant(now + 2 * SECOND)
        lost.in_flight = left
        lost.overloaded(overloaded(0), now, now)
    return lost, now


def test_a_lane_that_is_down_is_asked_with_ever_fewer_calls() -> None:
    lost, now = Lane(lane(1, seats=10), DEFAULTS, NOW), later(MINUTE)
    busy(lost)
    lost.overloaded(overloaded(0), NOW, now)
    seen = [lost.seats]
    for others in (9, 6, 3, 0, 5):
        lost.in_flight = others + 1
        lost.overloaded(overloaded(0), later(2 * MINUTE), later(2 * MINUTE))
        seen.append(lost.seats)
    assert seen == [8, 8, 6, 3, 1, 1]


@pytest.mark.parametrize(("begun", "silent"), [(False, False), (True, False), (True, True)])
def test_after_an_outage_seats_double_up_to_what_was_borne(begun: bool, silent: bool) -> None:
    lost, now = down(16)
    if silent:
        lost.observe(Facts(waiting=0), now)
    seen = [lost.seats]
    while lost.seats < 16:
        now = Instant(now + 10 * SECOND)
        for _ in range(lost.seats):
            lost.in_flight = lost.seats
            if begun:
                lost.answered(SECOND, now)
            lost.succeeded(Instant(now - SECOND), now, begun=begun)
        seen.append(lost.seats)
    assert seen == [1, 2, 4, 8, 16]


def test_a_limit_found_on_the_way_up_is_where_it_goes_on_slowly() -> None:
    lost, now = down(16)
    now = Instant(now + 10 * SECOND)
    for _ in range(9):
        lost.in_flight = lost.seats
        lost.succeeded(Instant(now - SECOND), now, begun=False)
    assert lost.seats == 10
    lost.overloaded(overloaded(0), now, now)
    assert lost.seats == 8
    for _ in range(8):
        lost.in_flight = lost.seats
        lost.succeeded(Instant(now + 1), Instant(now + SECOND), begun=False)
    assert lost.seats == 8
    lost.succeeded(Instant(now + 1), Instant(now + SECOND), begun=False)
    assert lost.seats == 9


def test_one_that_is_not_full_does_not_grow_after_an_outage_either() -> None:
    lost, now = down(16)
    for _ in range(20):
        lost.in_flight = 1
        now = Instant(now + 10 * SECOND)
        lost.succeeded(Instant(now - SECOND), now, begun=False)
    assert lost.seats == 2


def test_what_was_sent_before_a_cut_says_nothing_of_what_it_left() -> None:
    cut = Lane(lane(1, seats=10), DEFAULTS, NOW)
    busy(cut)
    for at in (10 * SECOND, 20 * SECOND, 30 * SECOND):
        cut.overloaded(overloaded(0), NOW, later(at))
        cut.answered(at, later(at))
        cut.succeeded(NOW, later(at), begun=False)
    assert cut.seats == 8
    cut.answered(SECOND, later(40 * SECOND))
    cut.overloaded(overloaded(0), later(39 * SECOND), later(40 * SECOND))
    assert cut.seats == 6


def test_an_engine_s_word_counts_while_it_is_fresh() -> None:
    engine = Lane(lane(1, seats=10), DEFAULTS, NOW)
    engine.observe(Facts(waiting=2), NOW)
    assert engine.seats == 10
    engine.observe(Facts(waiting=2), NOW)
    assert engine.seats == 8
    engine.observe(Facts(waiting=0, kv=950), NOW)
    assert engine.seats == 7
    engine.observe(Facts(capacity=4), NOW)
    assert engine.seats == 4


def test_an_engine_s_queue_is_not_answered_twice_while_calls_above_the_seats_are_leaving() -> None:
    engine = Lane(lane(1, seats=10), DEFAULTS, NOW)
    busy(engine)
    for waiting, seats in ((3, 10), (3, 7), (3, 7), (4, 7), (4, 6)):
        engine.observe(Facts(waiting=waiting, kv=950 if seats < 10 else 0), NOW)
        assert engine.seats == seats


def test_what_an_engine_takes_at_once_outlives_a_new_catalogue() -> None:
    engine = Lane(lane(1, seats=10), DEFAULTS, NOW)
    engine.observe(Facts(capacity=4, waiting=0), NOW)
    engine.adopt(lane(1, seats=10), DEFAULTS, NOW)
    assert engine.seats == 4
    engine.observe(Facts(capacity=6), NOW)
    assert (engine.seats, engine.most) == (4, 6)
    engine.adopt(lane(1, seats=5), DEFAULTS, NOW)
    assert (engine.seats, engine.most) == (4, 5)


def test_one_that_fell_silent_wins_no_seats_until_it_speaks_or_is_no_longer_asked() -> None:
    engine = Lane(lane(1, seats=10), DEFAULTS, NOW)
    engine.observe(Facts(waiting=0), NOW)
    busy(engine)
    silent = later(MINUTE)
    engine.overloaded(overloaded(0), silent, silent)
    for _ in range(20):
        engine.succeeded(silent, silent, begun=False)
    assert engine.seats == 8
    engine.adopt(lane(1, seats=10), DEFAULTS, silent)
    for _ in range(20):
        engine.succeeded(silent, silent, begun=False)
    assert engine.seats == 10


def test_only_what_can_be_had_back_for_nothing_is_lent() -> None:
    assert lends(LaneSpec(id=1, seats=1, pool="enterprise", own=True, lend=True))
    assert not lends(LaneSpec(id=1, seats=1, pool="enterprise", own=False, lend=True))
    assert not lends(LaneSpec(id=1, seats=1, pool="shared", own=True, lend=True))
