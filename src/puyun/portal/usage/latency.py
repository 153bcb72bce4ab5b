"""How soon calls were answered, day by day or hour by hour, as a chart that a table stands beside. Pure."""

from collections.abc import Iterable

import msgspec

from puyun.kit.clock import HOUR, Instant, to_datetime
from puyun.portal.period import Period
from puyun.portal.usage.charts import marks
from puyun.service.histogram import Kind
from puyun.service.level import Level
from puyun.storage.service.levels import OwnHour
from puyun.storage.usage import Grouping

PARTS = {"p50": 500, "p95": 950}
"""What is drawn, in thousandths of the calls."""


class Line(msgspec.Struct, frozen=True):
    """Microseconds at every mark, None where nothing was observed."""

    name: str
    values: list[int | None]


class Latency(msgspec.Struct, frozen=True):
    """Time to the first token. `p50`, `p95`: of the whole period."""

    marks: list[str]
    series: list[Line]
    p50: int
    p95: int


def latency_of(hours: Iterable[OwnHour], period: Period, over: Grouping) -> Latency | None:
    """None where no call had a first token."""
    shown, found = marks(period, over), dict[str, Level]()
    whole: Level | None = None
    for hour in hours:
        label = _label(Instant(hour.hour * HOUR), period, over)
        found[label] = found[label] + hour.level if label in found else hour.level
        whole = hour.level if whole is None else whole + hour.level
    p50, p95 = (None if whole is None else whole.at(Kind.FIRST_TOKEN, part) for part in PARTS.values())
    if p50 is None or p95 is None:
        return None
    lines = [
        Line(name, [found[mark].at(Kind.FIRST_TOKEN, part) if mark in found else None for mark in shown])
        for name, part in PARTS.items()
    ]
    return Latency(list(shown.values()), lines, p50, p95)


def _label(at: Instant, period: Period, over: Grouping) -> str:
    """As `marks` names it: a day is one of the period's zone."""
    if over is Grouping.HOUR:
        return f"{to_datetime(at):%Y-%m-%dT%H:%M:%SZ}"
    return to_datetime(at).astimezone(period.zone).date().isoformat()
