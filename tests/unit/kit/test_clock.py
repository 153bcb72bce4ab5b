from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from puyun.kit.clock import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Instant,
    ManualClock,
    format_instant,
    from_datetime,
    hour_of,
    parse_instant,
    to_datetime,
)

moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(moments)
def test_instants_and_datetimes_are_the_same_to_the_microsecond(moment: datetime) -> None:
    assert to_datetime(from_datetime(moment)) == moment
    assert parse_instant(format_instant(from_datetime(moment))) == from_datetime(moment)


@given(moments, st.integers(-14 * 60, 14 * 60))
def test_a_zone_changes_how_a_moment_looks_and_not_when_it_is(moment: datetime, minutes: int) -> None:
    try:
        elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        return
    assert from_datetime(elsewhere) == from_datetime(moment)


TIMES = """
2026-11-25                        1795564800000000  2026-11-25T00:00:00Z
2026-11-25T12:00:00               1795608000000000  2026-11-25T12:00:00Z
2026-11-25T12:00:00Z              1795608000000000  2026-11-25T12:00:00Z
2026-11-25T20:00:00+08:00         1795608000000000  2026-11-25T12:00:00Z
2026-11-25T12:00:00.000001Z       1795608000000001  2026-11-25T12:00:00.000001Z
1970-01-01T00:00:00Z              0                 1970-01-01T00:00:00Z
1969-12-31T23:59:59Z              -1000000          1969-12-31T23:59:59Z
"""


@pytest.mark.parametrize("row", TIMES.strip().splitlines())
def test_times_as_people_write_them(row: str) -> None:
    text, instant, shown = row.split()
    assert parse_instant(f" {text} ") == int(instant)
    assert format_instant(Instant(int(instant))) == shown


@pytest.mark.parametrize("text", ["", "now", "2026-13-01", "25.11.2026", "2026-11-25T25:00:00Z", "1795608000"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_instant(text)


def test_units() -> None:
    assert (SECOND, MINUTE, HOUR, DAY) == (1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000)
    assert ManualClock().now() == 0


def test_hours_are_whole_also_before_1970() -> None:
    assert [hour_of(Instant(value)) for value in (0, HOUR - 1, HOUR, -1)] == [0, 0, 1, -1]


def test_a_manual_clock_moves_when_told() -> None:
    clock = ManualClock(5)
    clock.advance(3)
    assert (clock.now(), clock.now()) == (8, 8)
