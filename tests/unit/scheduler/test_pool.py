"""Shares in seat time, the budget of preemption, and that of second attempts."""

import pytest

from puyun.kit.clock import MINUTE, SECOND, Instant
from puyun.scheduler.pool import ENTERPRISE, FLEX, LENT, TEST, Pool, Share
from puyun.scheduler.rules import DEFAULTS


def pool(seats: int, name: str = "shared") -> Pool[object]:
    made: Pool[object] = Pool(name, None, DEFAULTS, Instant(0))
    made.resize(seats, Instant(0))
    return made


def take(pool: Pool[object], seats: dict[int, int]) -> None:
    for rank, count in seats.items():
        for _ in range(count):
            pool.count(rank, 1, Instant(0))


@pytest.mark.parametrize(
    ("used", "asked"),
    [
        # 20 seats, 19 in use: a ceiling of 9, a guarantee of 10, a floor of 1
        ({ENTERPRISE: 8, FLEX: 11, TEST: 0}, [ENTERPRISE, TEST, FLEX]),
        ({ENTERPRISE: 10, FLEX: 9, TEST: 0}, [FLEX, TEST, ENTERPRISE]),
        ({ENTERPRISE: 10, FLEX: 10, TEST: 0}, [TEST, FLEX, ENTERPRISE]),
        ({ENTERPRISE: 9, FLEX: 5, TEST: 5}, [FLEX, TEST, ENTERPRISE]),
        ({ENTERPRISE: 0, FLEX: 0, TEST: 19}, [ENTERPRISE, FLEX, TEST]),
    ],
)
def test_who_is_below_its_share_goes_first_and_nobody_is_left_out(used: dict[int, int], asked: list[int]) -> None:
    busy = pool(20)
    take(busy, used)
    assert busy.order([ENTERPRISE, FLEX, TEST], Instant(0)) == asked


def test_one_seat_is_shared_in_time() -> None:
    """All three wait all the time, and calls are of unlike length: 45, 50 and 5 % of the time, not of the calls."""
    one = pool(1)
    for _ in range(3):
        one.wait(1, Instant(0))
    now, had = Instant(0), {ENTERPRISE: 0, FLEX: 0, TEST: 0}
    duration = {ENTERPRISE: SECOND, FLEX: 2 * SECOND, TEST: 5 * SECOND}
    while now < 2000 * SECOND:
        rank = one.order([ENTERPRISE, FLEX, TEST], now)[0]
        one.count(rank, 1, now)
        now = Instant(now + duration[rank])
        one.count(rank, -1, now)
        had[rank] += duration[rank]
    shares = {rank: round(100 * time / now) for rank, time in had.items()}
    assert abs(shares[ENTERPRISE] - 45) <= 1
    assert abs(shares[FLEX] - 50) <= 1
    assert abs(shares[TEST] - 5) <= 1


def test_idleness_is_no_savings_account() -> None:
    share = Share(500, DEFAULTS)
    share.elapse(3600 * SECOND, 0, 1)
    share.elapse(DEFAULTS.share_window * 2 + 2, 1, 1)
    assert not share.has_room(0, 1)
    share.elapse(4, 0, 1)
    assert share.has_room(0, 1)


def test_what_is_lent_leaves_some_back_and_stops_when_too_much_was_wasted() -> None:
    lending = pool(5, "enterprise")
    take(lending, {TEST: 2})
    assert lending.order([TEST, LENT], Instant(0)) == [TEST, LENT]
    lending.preempt(16 * SECOND, Instant(0))
    assert lending.order([TEST, LENT], Instant(0)) == [TEST]
    assert lending.lends_at(Instant(0)) == 4 * SECOND
    assert lending.order([LENT], Instant(4 * SECOND)) == [LENT]
    lending.count(ENTERPRISE, 1, Instant(5 * SECOND))
    assert not lending.may_lend(Instant(5 * SECOND))
    assert lending.lends_at(Instant(5 * SECOND)) is None


def test_shared_seats_are_taken_back_below_the_ceiling_above_the_floor_and_within_the_budget() -> None:
    shared = pool(20)
    take(shared, {ENTERPRISE: 8, FLEX: 10, TEST: 2})
    assert shared.may_preempt(Instant(0))
    shared.preempt(61 * SECOND, Instant(0))
    assert not shared.may_preempt(Instant(0))
    assert shared.may_preempt(Instant(2 * SECOND))
    shared.count(TEST, -1, Instant(2 * SECOND))
    assert not shared.may_preempt(Instant(2 * SECOND)), "the floor"
    shared.count(TEST, 1, Instant(2 * SECOND))
    shared.count(ENTERPRISE, 1, Instant(2 * SECOND))
    assert not shared.may_preempt(Instant(2 * SECOND)), "the ceiling"


def test_second_attempts_are_a_tenth_of_the_calls_and_three() -> None:
    busy = pool(4)
    for _ in range(20):
        busy.called(Instant(MINUTE))
    assert [busy.may_retry(Instant(MINUTE)) for _ in range(6)] == [True] * 5 + [False]
    assert busy.may_retry(Instant(3 * MINUTE)), "what was counts less each minute"
