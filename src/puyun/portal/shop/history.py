"""How a model's prices changed: a chart a meter with a line a tier, and the rows behind it. Pure."""

from collections.abc import Sequence

import msgspec

from puyun.catalog.model import TIERS
from puyun.kit.clock import DAY, Instant
from puyun.portal.shop.changes import PriceChange
from puyun.portal.shop.chart import Chart, chart_of

CHARTED = ("input", "output", "image", "audio")
"""Meters with a chart; the table has all."""

BACK = 365 * DAY
AHEAD = 365 * DAY
LEAST = DAY
"""How much a chart shows at least."""

ROWS_MAX = 100


class MeterChart(msgspec.Struct, frozen=True):
    meter: str
    chart: Chart


class History(msgspec.Struct, frozen=True):
    """`rows`: the latest first, announced ones too, at most ROWS_MAX."""

    charts: list[MeterChart]
    rows: list[PriceChange]


def history_of(changes: Sequence[PriceChange], now: Instant) -> History:
    """Of one model's changes, in the order in which they take effect."""
    if not changes:
        return History([], [])
    first, last = changes[0].row.effective_from, changes[-1].row.effective_from
    start = max(first, Instant(now - BACK)) if first <= now else Instant(now - LEAST)
    end = now if last <= now else Instant(min(last + max(last - start, LEAST) // 8, now + AHEAD))
    end = max(end, Instant(start + LEAST))  # of prices that are all new: the day for which they are known
    charts: list[MeterChart] = []
    for meter in CHARTED:
        steps = {
            tier: [
                (change.row.effective_from, change.row.amount)
                for change in changes
                if change.row.meter == meter and change.row.tier is tier
            ]
            for tier in TIERS
        }
        chart = chart_of(steps, start, now, end)
        if chart is not None:
            charts.append(MeterChart(meter, chart))
    return History(charts, list(changes[: -ROWS_MAX - 1 : -1]))
