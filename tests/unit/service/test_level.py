import pytest

from puyun.service.histogram import NAMES, Kind, bin_of
from puyun.service.level import Level, share
from puyun.service.tally import COUNTS


def level(seen: str = "", **counts: int) -> Level:
    return Level([counts.get(name, 0) for name in COUNTS], seen)


def test_what_is_not_valid_is_in_no_figure() -> None:
    found = level(calls=100, upstream_error=2, capacity=1, refused=50, gone=30)
    assert (found.good, found.availability) == (97, 9700)
    assert found.bad == {"upstream_error": 2, "upstream_timeout": 0, "capacity": 1, "ours": 0}


@pytest.mark.parametrize(
    ("part", "whole", "shown"), [(9999, 10_001, 9998), (10**9 - 1, 10**9, 9999), (5, 5, 10_000), (0, 5, 0)]
)
def test_a_share_is_rounded_down(part: int, whole: int, shown: int) -> None:
    assert share(part, whole) == shown


def test_of_no_calls_nothing_is_said() -> None:
    found = level()
    assert (found.availability, found.waits_kept, found.overheads_kept, found.at(Kind.WAIT, 500)) == (None,) * 4


def test_promises_are_counted_and_times_are_read_off() -> None:
    found = level(NAMES[Kind.WAIT][bin_of(1_000_000)] * 3, waits=4, waits_over=1, overheads=3, overheads_over=0)
    assert (found.waits_kept, found.overheads_kept) == (7500, 10_000)
    assert abs((found.at(Kind.WAIT, 500) or 0) - 1_000_000) <= 100_000


def test_two_together_are_the_calls_of_both() -> None:
    fast, slow = (NAMES[Kind.WAIT][bin_of(each)] for each in (1_000, 1_000_000))
    both = level(fast * 3, calls=3, ours=1) + level(slow, calls=1)
    assert (both.calls, both.good) == (4, 3)
    assert both.at(Kind.WAIT, 750) == level(fast).at(Kind.WAIT, 500)
    assert both.at(Kind.WAIT, 1000) == level(slow).at(Kind.WAIT, 500)
