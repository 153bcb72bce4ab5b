"""Time is injected: domains take `now: Instant`, shells ask a Clock."""

from datetime import UTC, datetime, timedelta
from typing import NewType, Protocol

Instant = NewType("Instant", int)
"""Microseconds since 1970-01-01T00:00:00Z."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    def now(self) -> Instant: ...


class ManualClock:
    """A clock that moves only when told; for tests and simulation."""

    def __init__(self, now: int = 0) -> None:
        self._now = now

    def now(self) -> Instant:
        return Instant(self._now)

    def advance(self, microseconds: int) -> None:
        self._now += microseconds


def from_datetime(value: datetime) -> Instant:
    """A datetime without a zone is read as UTC."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return Instant((aware - _EPOCH) // timedelta(microseconds=1))


def to_datetime(instant: Instant) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)


def parse_instant(text: str) -> Instant:
    """ISO 8601 date or time, UTC unless it says otherwise. Raises ValueError."""
    return from_datetime(datetime.fromisoformat(text.strip()))


def format_instant(instant: Instant) -> str:
    """`2026-11-25T03:04:05Z`; a fraction is shown only where there is one."""
    text = to_datetime(instant).isoformat().replace("+00:00", "Z")
    return text.replace(".000000Z", "Z")


def hour_of(instant: Instant) -> int:
    """Whole hours since the epoch, the key of hourly rollups."""
    return instant // HOUR
