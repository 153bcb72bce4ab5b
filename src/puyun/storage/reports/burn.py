"""How fast an organization uses its money: the mean of the last days, and how long what is available lasts at that."""

import msgspec
from sqlalchemy import Connection, func, select

from puyun.kit.clock import DAY, HOUR, Instant
from puyun.storage import schema

DAYS = 7
"""Looked at, today's hours included."""

_ROLLUP = schema.rollup_hour


class Burn(msgspec.Struct, frozen=True):
    """Nano-units a day, over so many days: fewer than DAYS for who began to use it later."""

    a_day: int
    days: int

    def lasts(self, available: int) -> int:
        """Whole days, rounded down."""
        return max(available, 0) // self.a_day


def load_burn(connection: Connection, org: int, now: Instant) -> Burn | None:
    """None where nothing was charged."""
    start = (now - DAYS * DAY) // HOUR
    sums = select(func.sum(_ROLLUP.c.charge), func.min(_ROLLUP.c.hour))
    charged = sums.where(_ROLLUP.c.org == org, _ROLLUP.c.hour >= start, _ROLLUP.c.charge > 0)
    charge, first = connection.execute(charged).one()
    if first is None:
        return None
    days = min(max(-((first * HOUR - now) // DAY), 1), DAYS)
    a_day = int(charge) // days
    return Burn(a_day, days) if a_day else None
