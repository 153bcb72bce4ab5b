from datetime import date
from zoneinfo import ZoneInfo

import pytest

from puyun.kit.clock import DAY, HOUR, Instant, parse_instant
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


def test_days_are_those_of_a_zone():
    period = parse_period({"period": "today"}, NOW, ZoneInfo("Asia/Shanghai"))
    assert period.first.isoformat() == "2026-03-03"
    assert period.start == parse_instant("2026-03-02T16:00:00Z")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)])
def test_a_day_on_which_clocks_change_is_shorter_or_longer(day, hours):
    period = parse_period({"period": "custom", "from": day, "to": day}, NOW, ZoneInfo("Europe/Berlin"))
    assert period.end - period.start == hours * HOUR


def test_a_period_that_runs_is_held_against_as_much_of_the_one_before():
    period = parse_period({"period": "7d"}, NOW)
    assert period.before(NOW) == (parse_instant("2026-02-17"), Instant(NOW - 7 * DAY))
    past = parse_period({"period": "custom", "from": "2026-01-05", "to": "2026-01-06"}, NOW)
    assert past.before(NOW) == (parse_instant("2026-01-03"), parse_instant("2026-01-05"))
    ahead = parse_period({"period": "custom", "from": "2027-01-05", "to": "2027-01-06"}, NOW)
    assert ahead.before(NOW) == (parse_instant("2027-01-03"), parse_instant("2027-01-03"))


def test_a_custom_period_has_a_year_at_most():
    period = parse_period({"period": "custom", "from": "1970-01-01", "to": "2026-01-05"}, NOW)
    assert (period.days, period.last.isoformat()) == (366, "2026-01-05")
