"""How fast a model was, hour by hour of the last day: everybody's calls, read at most once in a few seconds."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from puyun.catalog.model import TIERS, Tier
from puyun.kit.clock import HOUR, SECOND, Clock, Instant
from puyun.portal.shop.chart import Chart, Steps, chart_of
from puyun.service.histogram import Kind
from puyun.storage.engine import reading
from puyun.storage.service.levels import Hour, hours_of_model

HOURS = 24

KEPT = 10 * SECOND
MODELS_KEPT = 64
_HALF = 500


class Row(msgspec.Struct, frozen=True):
    """One hour at one tier: how many valid calls, and medians in microseconds, None where nothing was observed."""

    at: Instant
    tier: Tier
    calls: int
    wait: int | None
    first_token: int | None


class Speed(msgspec.Struct, frozen=True):
    """The latest hour first. The charts are None where there is nothing to draw."""

    rows: list[Row]
    wait: Chart | None
    first_token: Chart | None


class SpeedBoard:
    """Asked by several threads; two that ask of one model at once may both read."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[Instant, Speed]] = OrderedDict()

    def of(self, model: str) -> Speed | None:
        """None while the database cannot be read and nothing is known: the page has more to say than this."""
        now = self._clock.now()
        with self._lock:
            known = self._known.get(model)
        if known is not None and 0 <= now - known[0] < KEPT:
            return known[1]
        last = now // HOUR
        try:
            with reading(self._engine) as connection:
                hours = hours_of_model(connection, model, last - HOURS + 1, last)
        except SQLAlchemyError:
            return None if known is None else known[1]
        speed = speed_of(hours, now)
        with self._lock:
            self._known[model] = now, speed
            self._known.move_to_end(model)
            while len(self._known) > MODELS_KEPT:
                self._known.popitem(last=False)
        return speed


def speed_of(hours: Sequence[Hour], now: Instant) -> Speed:
    """`hours` by hour, the oldest first, within the last HOURS."""
    rows = [
        Row(
            Instant(each.hour * HOUR),
            each.tier,
            each.level.calls,
            each.level.at(Kind.WAIT, _HALF),
            each.level.at(Kind.FIRST_TOKEN, _HALF),
        )
        for each in hours
    ]
    return Speed(rows[::-1], _chart(rows, lambda row: row.wait, now), _chart(rows, lambda row: row.first_token, now))


def _chart(rows: Sequence[Row], value: Callable[[Row], int | None], now: Instant) -> Chart | None:
    """A step an hour; an hour without calls is a gap."""
    end = Instant((now // HOUR + 1) * HOUR)
    start = Instant(end - HOURS * HOUR)
    steps: dict[Tier, Steps] = {}
    for tier in TIERS:
        values = {row.at: value(row) for row in rows if row.tier is tier}
        moments = [Instant(start + number * HOUR) for number in range(HOURS)]
        if values:
            steps[tier] = [(at, values.get(at)) for at in moments]
    return chart_of(steps, start, end, end)
