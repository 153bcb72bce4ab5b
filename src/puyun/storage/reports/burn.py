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
    mine = _ROLLUP.c.org == org
    recent = select(func.sum(_ROLLUP.c.charge)).where(mine, _ROLLUP.c.hour >= (now - DAYS * DAY) // HOUR)
    charge = connection.execute(recent).scalar()
    if not charge:
        return None
    first = connection.execute(select(func.min(_ROLLUP.c.hour)).where(mine)).scalar_one()
    days = min(max(-((first * HOUR - now) // DAY), 1), DAYS)
    a_day = int(charge) // days
    return Burn(a_day, days) if a_day else None
