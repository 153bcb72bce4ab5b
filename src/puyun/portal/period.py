"""The stretch of time a usage page is about, in whole days of a time zone. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo

import msgspec

from puyun.kit.clock import Instant, from_datetime, to_datetime

PRESETS = ("today", "7d", "30d", "month")
DEFAULT = "30d"
CUSTOM = "custom"

DAYS_MAX = 366
"""A longer custom period keeps its last days."""


class Period(msgspec.Struct, frozen=True):
    """Whole days from `first` to `last`, both included. `name`: a preset, or `custom`; `zone`: whose days they are."""

    name: str
    first: date
    last: date
    zone: tzinfo = UTC

    @property
    def start(self) -> Instant:
        return midnight(self.first, self.zone)

    @property
    def end(self) -> Instant:
        """The moment after."""
        return midnight(self.last + timedelta(days=1), self.zone)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def before(self, now: Instant) -> tuple[Instant, Instant]:
        """As many days just before; while this period still runs, only as much of them as of it has gone by."""
        start = midnight(self.first - timedelta(days=self.days), self.zone)
        return start, min(self.start, Instant(start + max(min(self.end, now) - self.start, 0)))

    def running(self, now: Instant) -> bool:
        """Whether more may come."""
        return now < self.end

    def parameters(self) -> dict[str, str]:
        """What stands in an address for it."""
        if self.name != CUSTOM:
            return {"period": self.name}
        return {"period": CUSTOM, "from": self.first.isoformat(), "to": self.last.isoformat()}


def parse_period(parameters: Mapping[str, str], now: Instant, zone: tzinfo = UTC) -> Period:
    """From an address. A custom period that is no pair of dates is the default one; a reversed pair is turned round."""
    name = parameters.get("period", DEFAULT)
    today = to_datetime(now).astimezone(zone).date()
    if name == CUSTOM:
        days = [parse_day(parameters.get(side, "")) for side in ("from", "to")]
        known = sorted(day for day in days if day is not None)
        if len(known) == len(days):
            return Period(CUSTOM, max(known[0], known[1] - timedelta(days=DAYS_MAX - 1)), known[1], zone)
    return preset(name if name in PRESETS else DEFAULT, today, zone)


def preset(name: str, today: date, zone: tzinfo = UTC) -> Period:
    first = {
        "today": today,
        "7d": today - timedelta(days=6),
        "30d": today - timedelta(days=29),
        "month": today.replace(day=1),
    }[name]
    return Period(name, first, today, zone)


def parse_day(text: str) -> date | None:
    """None for what is no date."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year < 9999 else None


def midnight(day: date, zone: tzinfo = UTC) -> Instant:
    """When a day begins; where clocks are put forward at midnight, the moment they are."""
    return from_datetime(datetime(day.year, day.month, day.day, tzinfo=zone))
