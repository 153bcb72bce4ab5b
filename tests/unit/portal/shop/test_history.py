import pytest

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, Instant
from puyun.portal.shop.changes import changes_of
from puyun.portal.shop.history import ROWS_MAX, History, history_of
from puyun.pricing.pricebook import PriceRow

NOW = Instant(20_000 * DAY)


def history(*rows: tuple[str, int | None, float], tier: Tier = Tier.FLEX) -> History:
    """`rows`: meter, amount, and the days before now that it holds from."""
    found = [
        PriceRow(
            id=number,
            model="m",
            tier=tier,
            meter=meter,
            amount=amount,
            effective_from=Instant(int(NOW - days * DAY)),
            created_at=Instant(0),
        )
        for number, (meter, amount, days) in enumerate(rows, 1)
    ]
    return history_of(changes_of(found), NOW)


def test_without_a_price_there_is_nothing() -> None:
    assert history() == History([], [])


@pytest.mark.parametrize("days", [0, 0.5])
def test_prices_that_are_all_new_are_drawn_for_a_day_from_their_beginning(days: float) -> None:
    """Else there would be nothing to see of them until they are a day old."""
    found = history(("input", 5, days), ("output", 9, days))
    assert [(each.meter, each.chart.lines[0].path) for each in found.charts] == [
        ("input", "M0 0H1000"),
        ("output", "M0 0H1000"),
    ]
    chart = found.charts[0].chart
    assert (chart.start, chart.end) == (NOW - days * DAY, NOW - days * DAY + DAY)
    assert chart.now == days * 1000
    assert [change.row.amount for change in found.rows] == [9, 5]


def test_a_price_that_is_announced_for_a_new_model_is_drawn_ahead() -> None:
    (chart,) = history(("input", 5, -10)).charts
    assert chart.chart.start == NOW - DAY
    assert chart.chart.end > NOW + 10 * DAY


def test_a_price_of_today_begins_where_the_chart_ends() -> None:
    """What takes effect at this moment is not shown as if it had held for a week."""
    chart = history(("input", 4, 20), ("input", 5, 10), ("output", 9, 3)).charts[1].chart
    assert chart.start == NOW - 20 * DAY
    assert chart.lines[0].path == "M850 0H1000"


def test_old_prices_are_cut_at_a_year_and_the_announced_stand_ahead() -> None:
    (chart,) = history(("input", 8, 4000), ("input", 4, -30)).charts
    assert chart.chart.start == NOW - 365 * DAY
    assert chart.chart.end > NOW + 30 * DAY
    assert chart.chart.now < 1000
    assert chart.chart.lines[0].last == 4


def test_what_is_announced_for_years_ahead_does_not_flatten_the_chart() -> None:
    (chart,) = history(("input", 8, 10), ("input", 4, -9000)).charts
    assert chart.chart.end == NOW + 365 * DAY


def test_meters_have_charts_of_their_own_and_the_table_is_bounded() -> None:
    found = history(*(("input", number, 200 - number) for number in range(1, 150)), ("output", 1, 1))
    assert [each.meter for each in found.charts] == ["input", "output"]
    assert len(found.rows) == ROWS_MAX
    assert found.rows[0].row.meter == "output"
