"""Amounts and times as the API writes and reads them. Pure."""

from datetime import datetime

from puyun.kit.clock import Instant, format_instant, from_datetime
from puyun.kit.errors import PuyunError
from puyun.kit.money import format_amount

_LATEST = from_datetime(datetime(9998, 1, 1))  # noqa: DTZ001 - read as UTC

amount = format_amount
moment = format_instant


def instant(value: datetime, param: str) -> Instant:
    """Without a zone it is UTC. Raises `invalid_time` (422) for what lies before 1970 or beyond what can be written."""
    try:
        found = from_datetime(value)
    except OverflowError:
        found = Instant(-1)
    if not 0 <= found < _LATEST:
        raise PuyunError(
            "invalid_time", 422, f"`{param}` is a time since 1970, such as 2026-11-25T12:00:00Z.", param=param
        )
    return found
