"""The figures of the charts, which are those of the tables beside them. Pure; money in nano-units."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from puyun.kit.clock import HOUR, Instant, parse_instant, to_datetime
from puyun.metering.usage import BUCKETS
from puyun.portal.period import Period
from puyun.portal.statement import shown_buckets, total
from puyun.storage.usage import Grouping, Stacked, UsageRow

OTHERS = ""
"""The name of the series of all models that have none of their own."""

TOKEN_SERIES_MAX = 6
_HOURS = len("2026-11-25T03:00")


class Series(msgspec.Struct, frozen=True):
    """A value for every mark."""

    name: str
    values: list[int]


class Chart(msgspec.Struct, frozen=True):
    """Series stacked on one another. `marks`: the label of each day or hour."""

    marks: list[str]
    series: list[Series]

    @property
    def sums(self) -> list[int]:
        return [sum(values) for values in zip(*(each.values for each in self.series), strict=True)]

    @property
    def highest(self) -> int:
        return max(self.sums, default=0)


def marks(period: Period, over: Grouping) -> dict[str, str]:
    """The label under which each day or hour of the period is stored, and how it is written."""
    if over is Grouping.DAY:
        days = [(period.first + timedelta(days=day)).isoformat() for day in range(period.days)]
        return dict(zip(days, days, strict=True))
    hours = [Instant(at) for at in range(period.start, period.end, HOUR)]
    return {f"{to_datetime(at):%Y-%m-%dT%H:%M:%SZ}": local_hour(at, period)[len("2026-11-25 ") :] for at in hours}


def local_hour(at: Instant, period: Period) -> str:
    """`2026-10-25 02:00`; with what it is ahead of UTC where clocks are put back, so that no two hours are alike."""
    here = to_datetime(at).astimezone(period.zone)
    twice = here.utcoffset() != here.replace(fold=1 - here.fold).utcoffset()
    written = here.isoformat(" ")
    return written[:_HOURS] + (f" ({written[-6:]})" if twice else "")


def named(rows: Sequence[UsageRow], by: Grouping, period: Period) -> list[UsageRow]:
    """The rows as people read them: hours on the clocks of the period's zone."""
    if by is not Grouping.HOUR:
        return list(rows)
    return [msgspec.structs.replace(row, label=local_hour(parse_instant(row.label), period)) for row in rows]


def cost_chart(cells: Sequence[Stacked], period: Period, over: Grouping) -> Chart:
    """The dearest model first, the others last."""
    shown = marks(period, over)
    place = {label: number for number, label in enumerate(shown)}
    values: dict[str, list[int]] = {}
    for cell in cells:
        values.setdefault(cell.model, [0] * len(shown))[place[_stored(cell.at, over)]] += cell.charge
    ordered = sorted(values.items(), key=lambda each: (each[0] == OTHERS, -sum(each[1]), each[0]))
    return Chart(list(shown.values()), [Series(name, series) for name, series in ordered])


def token_chart(rows: Sequence[UsageRow], period: Period, over: Grouping) -> Chart:
    """By bucket; more than TOKEN_SERIES_MAX of them keep the largest, and the others stand together."""
    shown = marks(period, over)
    known = {row.label: row.usage for row in rows}
    summed = total(rows).usage
    buckets = shown_buckets(summed)
    if len(buckets) > TOKEN_SERIES_MAX:
        largest = sorted(buckets, key=lambda bucket: -getattr(summed, bucket))[: TOKEN_SERIES_MAX - 1]
        buckets = [bucket for bucket in buckets if bucket in largest]
    found = [
        Series(bucket, [getattr(known[mark], bucket) if mark in known else 0 for mark in shown]) for bucket in buckets
    ]
    rest = [bucket for bucket in BUCKETS if bucket not in buckets and getattr(summed, bucket)]
    if rest:
        values = [sum(getattr(known[mark], each) for each in rest) if mark in known else 0 for mark in shown]
        found.append(Series(OTHERS, values))
    return Chart(list(shown.values()), found)


def call_chart(rows: Sequence[UsageRow], period: Period, over: Grouping) -> Chart:
    """Those that did not fail, and those that did."""
    shown = marks(period, over)
    known = {row.label: (row.calls - row.failures, row.failures) for row in rows}
    pairs = [known.get(mark, (0, 0)) for mark in shown]
    return Chart(
        list(shown.values()),
        [Series("ended", [pair[0] for pair in pairs]), Series("failed", [pair[1] for pair in pairs])],
    )


def _stored(at: int, over: Grouping) -> str:
    moment = to_datetime(Instant(at * HOUR if over is Grouping.HOUR else at * 24 * HOUR))
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if over is Grouping.HOUR else f"{moment:%Y-%m-%d}"
