"""The time zones that usage can be counted in. Rollups are by the hour, so only clocks whole hours from UTC are offered."""

from collections.abc import Mapping
from datetime import UTC, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from puyun.kit.clock import HOUR, Instant, to_datetime
from puyun.portal.period import Period, midnight
from puyun.storage.usage import Shift

COOKIE = "puyun-zone"
DEFAULT = "UTC"
NAMES = (
    "Pacific/Honolulu",
    "America/Anchorage",
    "America/Los_Angeles",
    "America/Denver",
    "America/Mexico_City",
    "America/Chicago",
    "America/Bogota",
    "America/New_York",
    "America/Santiago",
    "America/Sao_Paulo",
    DEFAULT,
    "Europe/London",
    "Africa/Lagos",
    "Europe/Berlin",
    "Europe/Paris",
    "Africa/Johannesburg",
    "Africa/Cairo",
    "Europe/Athens",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Africa/Nairobi",
    "Asia/Riyadh",
    "Asia/Dubai",
    "Asia/Karachi",
    "Asia/Dhaka",
    "Asia/Bangkok",
    "Asia/Jakarta",
    "Asia/Shanghai",
    "Asia/Hong_Kong",
    "Asia/Singapore",
    "Asia/Taipei",
    "Asia/Manila",
    "Asia/Seoul",
    "Asia/Tokyo",
    "Australia/Brisbane",
    "Australia/Sydney",
    "Pacific/Auckland",
)
"""From west to east."""


@cache
def zones() -> dict[str, tzinfo]:
    """Those of NAMES that this machine knows the rules of."""
    found: dict[str, tzinfo] = {}
    for name in NAMES:
        try:
            found[name] = UTC if name == DEFAULT else ZoneInfo(name)
        except ZoneInfoNotFoundError:
            continue
    return found


def parse_zone(parameters: Mapping[str, str], cookies: Mapping[str, str]) -> str:
    """A name from the address, else the one chosen before, else UTC."""
    chosen = (parameters.get("zone", ""), cookies.get(COOKIE, ""))
    return next((name for name in chosen if name in zones()), DEFAULT)


def shifts_of(period: Period) -> list[Shift]:
    """How far ahead of UTC the period's clocks are, from its first hour on and from each change of them."""
    first, last = period.start // HOUR, period.end // HOUR
    found = [Shift(first, _ahead(first, period.zone))]
    for day in range(1, period.days + 1):
        hour = min(midnight(period.first + timedelta(days=day), period.zone) // HOUR, last)
        if _ahead(hour, period.zone) != found[-1].ahead:
            before = hour - 25
            changed = next(each for each in range(before, hour + 1) if _ahead(each, period.zone) != found[-1].ahead)
            found.append(Shift(changed, _ahead(changed, period.zone)))
    return found


def _ahead(hour: int, zone: tzinfo) -> int:
    ahead = to_datetime(Instant(hour * HOUR)).astimezone(zone).utcoffset() or timedelta()
    return ahead // timedelta(hours=1)
