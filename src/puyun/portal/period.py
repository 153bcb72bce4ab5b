"""The stretch of time a usage page is about. Pure; days are UTC, as the rollups are."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import msgspec

from puyun.kit.clock import Instant, from_datetime, to_datetime

PRESETS = ("today", "7d", "30d", "month")
DEFAULT = "30d"
CUSTOM = "custom"


class Period(msgspec.Struct, frozen=True):
    """Whole days from `first` to `last`, both included. `name`: a preset, or `custom`."""

    name: str
    first: date
    last: date

    @property
    def start(self) -> Instant:
        return midnight(self.first)

    @property
    def end(self) -> Instant:
        """The moment after."""
        return midnight(self.last + timedelta(days=1))

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def parameters(self) -> dict[str, str]:
        """What stands in an address for it."""
        if self.name != CUSTOM:
            return {"period": self.name}
        return {"period": CUSTOM, "from": self.first.isoformat(), "to": self.last.isoformat()}


def parse_period(parameters: Mapping[str, str], now: Instant) -> Period:
    """From an address. A custom period that is no pair of dates is the default one; a reversed pair is turned round."""
    name = parameters.get("period", DEFAULT)
    today = to_datetime(now).date()
    if name == CUSTOM:
        days = [parse_day(parameters.get(side, "")) for side in ("from", "to")]
        known = sorted(day for day in days if day is not None)
        if len(known) == len(days):
            return Period(CUSTOM, known[0], known[1])
    return preset(name if name in PRESETS else DEFAULT, today)


def preset(name: str, today: date) -> Period:
    first = {
        "today": today,
        "7d": today - timedelta(days=6),
        "30d": today - timedelta(days=29),
        "month": today.replace(day=1),
    }[name]
    return Period(name, first, today)


def parse_day(text: str) -> date | None:
    """None for what is no date."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year < 9999 else None


def midnight(day: date) -> Instant:
    """When a day begins, UTC."""
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=UTC))
