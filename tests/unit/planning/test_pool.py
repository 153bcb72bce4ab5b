import pytest

from puyun.kit.clock import SECOND
from puyun.planning.pool import FLEX_SHARE, FLEX_WAIT, Capacity, Load, Plan, Promise, plan
from puyun.scheduler.rules import DEFAULTS

LOAD = Load(per_minute=208.7, mean=4_600_000)
"""16 erlangs."""
PROMISE = Promise(wait=250_000, part=0.99)


def planned(seats: int, taken: int = 0, flex: Load | None = None, share: float = 0.5) -> Plan:
    return plan(LOAD, PROMISE, Capacity(seats, taken, share), flex)


def test_a_pool_that_fits() -> None:
    found = planned(64)
    assert found.sold
    assert (found.seats, found.left, found.flex_seats) == (26, 38, 19)
    assert found.load == pytest.approx(16, abs=0.01)
    assert found.late <= 0.01 < found.waiting
    assert found.flex_wait is None


@pytest.mark.parametrize(("seats", "taken", "sold"), [(26, 0, True), (25, 0, False), (64, 38, True), (64, 39, False)])
def test_p3_no_seat_is_sold_twice(seats: int, taken: int, sold: bool) -> None:
    found = planned(seats, taken)
    assert found.sold == sold
    if not sold:
        assert (
            found.refusal
            == f"26 seats are needed and {seats - taken} are left of {seats}; Enterprise pools have {taken}"
        )


def test_more_taken_than_there_is_leaves_nothing() -> None:
    assert "0 are left of 10" in planned(10, 20).refusal


@pytest.mark.parametrize(
    ("per_minute", "share", "says"),
    [
        (150, 0.5, None),
        (230, 0.5, "Flex would wait up to 8.7 s for the 19 seats"),
        (300, 0.5, "Flex would wait without end for the 19 seats"),
        (300, 1.0, None),
    ],
)
def test_p4_flex_keeps_what_it_was_promised(per_minute: int, share: float, says: str | None) -> None:
    found = planned(64, flex=Load(per_minute, 4_600_000), share=share)
    assert found.sold == (says is None)
    if says is None:
        assert found.flex_wait is not None
        assert found.flex_wait <= FLEX_WAIT
    else:
        assert found.refusal.startswith(says)
        assert found.refusal.endswith(f"within {FLEX_WAIT // SECOND} s it needs {26 if per_minute == 300 else 20}")


def test_flex_is_guaranteed_what_the_scheduler_gives_it() -> None:
    assert DEFAULTS.flex.share == FLEX_SHARE * 1_000
