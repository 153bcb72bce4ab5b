from puyun.kit.clock import DAY, HOUR, Instant, parse_instant
from puyun.portal.period import parse_period
from puyun.portal.usage.latency import latency_of
from puyun.portal.usage.zones import zones
from puyun.service.histogram import NAMES, Kind, bin_of
from puyun.service.level import Level
from puyun.service.tally import COUNTS
from puyun.storage.service.levels import OwnHour
from puyun.storage.usage import Grouping

NOW = parse_instant("2026-10-25T12:00:00Z")
SHANGHAI = zones()["Asia/Shanghai"]


def hour(at: int, *first_tokens_ms: int) -> OwnHour:
    seen = "".join(NAMES[Kind.FIRST_TOKEN][bin_of(each * 1000)] for each in first_tokens_ms)
    return OwnHour(at // HOUR, Level([len(first_tokens_ms) if name == "calls" else 0 for name in COUNTS], seen))


def near(found: int | None, milliseconds: int) -> bool:
    return found is not None and abs(found - milliseconds * 1000) <= milliseconds * 100


def test_a_day_is_the_calls_of_all_its_hours_on_the_clocks_of_the_zone():
    period = parse_period({"period": "7d"}, NOW, SHANGHAI)
    midnight = Instant(NOW // DAY * DAY - 8 * HOUR)  # in Shanghai
    hours = [hour(midnight - HOUR, 5000), hour(midnight, 100, 100, 100), hour(midnight + 3 * HOUR, 2000)]
    found = latency_of(hours, period, Grouping.DAY)
    assert found is not None
    median, most = (line.values for line in found.series)
    assert median[:-2] == most[:-2] == [None] * 5
    assert (near(median[-2], 5000), near(median[-1], 100), near(most[-1], 2000)) == (True, True, True)
    assert (near(found.p50, 100), near(found.p95, 5000)) == (True, True)


def test_an_hour_without_calls_is_a_gap():
    period = parse_period({"period": "today"}, NOW)
    found = latency_of([hour(NOW, 700)], period, Grouping.HOUR)
    assert found is not None
    assert len(found.marks) == 24
    assert [place for place, value in enumerate(found.series[0].values) if value is not None] == [12]


def test_where_nothing_was_observed_there_is_nothing_to_draw():
    period = parse_period({"period": "7d"}, NOW)
    assert latency_of([], period, Grouping.DAY) is None
    assert latency_of([hour(NOW)], period, Grouping.DAY) is None
