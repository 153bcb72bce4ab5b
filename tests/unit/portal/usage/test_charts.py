from puyun.kit.clock import HOUR, Instant, parse_instant
from puyun.metering.usage import BUCKETS, Usage
from puyun.portal.period import parse_period
from puyun.portal.usage.charts import call_chart, cost_chart, local_hour, marks, named, token_chart
from puyun.portal.usage.zones import zones
from puyun.storage.usage import Grouping, Stacked, UsageRow

NOW = parse_instant("2026-10-25T12:00:00Z")
BERLIN = zones()["Europe/Berlin"]


def test_the_day_on_which_clocks_go_back_has_25_hours_all_of_other_names():
    period = parse_period({"period": "today"}, NOW, BERLIN)
    shown = list(marks(period, Grouping.HOUR).values())
    assert len(shown) == len(set(shown)) == 25
    assert shown[1:5] == ["01:00", "02:00 (+02:00)", "02:00 (+01:00)", "03:00"]


def test_hours_are_written_on_the_clocks_of_the_zone():
    period = parse_period({"period": "7d"}, NOW, BERLIN)
    row = UsageRow("2026-10-24T22:00:00Z", 1, 0, Usage(), 5)
    assert named([row], Grouping.HOUR, period)[0].label == "2026-10-25 00:00"
    assert named([row], Grouping.DAY, period) == [row]
    assert local_hour(parse_instant("2026-10-25T01:00:00Z"), period) == "2026-10-25 02:00 (+01:00)"


def test_the_dearest_model_is_first_and_the_others_are_last():
    period = parse_period({"period": "7d"}, NOW)
    day = NOW // (24 * HOUR)
    chart = cost_chart([Stacked(day, "", 900), Stacked(day, "a", 1), Stacked(day - 6, "b", 30)], period, Grouping.DAY)
    assert [each.name for each in chart.series] == ["b", "a", ""]
    assert chart.sums == [30, 0, 0, 0, 0, 0, 901]
    assert chart.highest == 901
    hour = cost_chart([Stacked(NOW // HOUR, "a", 1)], parse_period({"period": "today"}, NOW), Grouping.HOUR)
    assert hour.sums[12] == 1


def test_buckets_beyond_six_stand_together_and_none_is_lost():
    period = parse_period({"period": "today"}, NOW)
    usage = Usage(**{bucket: 10 + place for place, bucket in enumerate(BUCKETS)})
    label = "2026-10-25T12:00:00Z"
    chart = token_chart([UsageRow(label, 3, 1, usage, 5)], period, Grouping.HOUR)
    assert len(chart.series) == 6
    assert sum(chart.sums) == usage.total
    calls = call_chart([UsageRow(label, 3, 1, usage, 5)], period, Grouping.HOUR)
    assert [sum(each.values) for each in calls.series] == [2, 1]


def test_nothing_is_a_flat_chart():
    period = parse_period({"period": "7d"}, Instant(NOW))
    assert cost_chart([], period, Grouping.DAY).highest == 0
    assert token_chart([], period, Grouping.DAY).highest == 0
