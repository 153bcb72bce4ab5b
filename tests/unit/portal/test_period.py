from datetime import date

import pytest

from puyun.kit.clock import DAY, parse_instant
from puyun.portal.period import parse_period

NOW = parse_instant("2026-03-02T23:59:59Z")


@pytest.mark.parametrize(
    ("parameters", "name", "first", "last"),
    [
        ({}, "30d", "2026-02-01", "2026-03-02"),
        ({"period": "today"}, "today", "2026-03-02", "2026-03-02"),
        ({"period": "7d"}, "7d", "2026-02-24", "2026-03-02"),
        ({"period": "month"}, "month", "2026-03-01", "2026-03-02"),
        ({"period": "nonsense"}, "30d", "2026-02-01", "2026-03-02"),
        ({"period": "custom", "from": "2026-01-05", "to": "2026-01-07"}, "custom", "2026-01-05", "2026-01-07"),
        ({"period": "custom", "from": "2026-01-07", "to": "2026-01-05"}, "custom", "2026-01-05", "2026-01-07"),
        ({"period": "custom", "from": "2026-01-07"}, "30d", "2026-02-01", "2026-03-02"),
        ({"period": "custom", "from": "2026-02-30", "to": "2026-01-05"}, "30d", "2026-02-01", "2026-03-02"),
        ({"period": "custom", "from": "9999-12-31", "to": "2026-01-05"}, "30d", "2026-02-01", "2026-03-02"),
        ({"period": "custom", "from": "0001-01-01", "to": "2026-01-05"}, "30d", "2026-02-01", "2026-03-02"),
    ],
)
def test_a_period_is_whole_days(parameters, name, first, last):
    period = parse_period(parameters, NOW)
    assert (period.name, period.first.isoformat(), period.last.isoformat()) == (name, first, last)


def test_the_end_is_the_moment_after_the_last_day():
    period = parse_period({"period": "today"}, NOW)
    assert (period.start, period.end) == (parse_instant("2026-03-02"), parse_instant("2026-03-03"))
    assert period.days == 1
    assert parse_period({"period": "7d"}, NOW).days == 7
    assert period.end - period.start == DAY


@pytest.mark.parametrize(
    "parameters", [{"period": "7d"}, {"period": "custom", "from": "2026-01-05", "to": "2026-01-07"}]
)
def test_an_address_gives_its_period_back(parameters):
    period = parse_period(parameters, NOW)
    assert period.parameters() == parameters
    assert parse_period(period.parameters(), NOW) == period
    assert isinstance(period.first, date)
