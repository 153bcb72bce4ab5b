from datetime import timedelta

import pytest

from puyun.kit.clock import DAY, HOUR, Instant, parse_instant, to_datetime
from puyun.portal.period import parse_period
from puyun.portal.usage.zones import NAMES, parse_zone, shifts_of, zones
from puyun.storage.usage import Shift


@pytest.mark.parametrize("name", NAMES)
def test_every_zone_is_whole_hours_from_utc_whatever_its_clocks_do(name):
    for day in range(12 * 365):
        at = to_datetime(Instant(parse_instant("2024-01-01") + day * DAY)).astimezone(zones()[name])
        assert at.utcoffset() % timedelta(hours=1) == timedelta()


@pytest.mark.parametrize(
    ("parameters", "cookies", "found"),
    [
        ({}, {}, "UTC"),
        ({"zone": "Asia/Tokyo"}, {"puyun-zone": "Asia/Seoul"}, "Asia/Tokyo"),
        ({"zone": "../../etc/passwd"}, {"puyun-zone": "Asia/Seoul"}, "Asia/Seoul"),
        ({"zone": "Asia/Kolkata"}, {"puyun-zone": "x"}, "UTC"),
    ],
)
def test_a_zone_comes_from_the_address_then_the_cookie(parameters, cookies, found):
    assert parse_zone(parameters, cookies) == found


@pytest.mark.parametrize("name", NAMES)
def test_shifts_give_each_hour_of_a_year_the_day_that_its_clock_shows(name):
    now = parse_instant("2026-12-31T12:00:00Z")
    period = parse_period({"period": "custom", "from": "2026-01-01", "to": "2026-12-31"}, now, zones()[name])
    shifts = shifts_of(period)
    assert len(shifts) <= 3
    for hour in range(period.start // HOUR, period.end // HOUR):
        ahead = next(shift.ahead for shift in reversed(shifts) if shift.hour <= hour)
        day = to_datetime(Instant((hour + ahead) // 24 * DAY)).date()
        assert day == to_datetime(Instant(hour * HOUR)).astimezone(period.zone).date()


def test_the_change_is_at_its_hour():
    berlin = zones()["Europe/Berlin"]
    period = parse_period({"period": "custom", "from": "2026-10-24", "to": "2026-10-26"}, Instant(0), berlin)
    changed = parse_instant("2026-10-25T01:00:00Z") // HOUR
    assert shifts_of(period) == [Shift(period.start // HOUR, 2), Shift(changed, 1)]
