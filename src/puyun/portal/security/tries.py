"""Tries of codes, counted by user: whoever knows a password does not get to guess a million codes."""

from sqlalchemy import Connection, Engine

from puyun.kit.clock import Instant
from puyun.portal.tries import Tried, count_try
from puyun.storage.sessions import forgive

FREE_CODES = 5


def count_code(engine: Engine, user: int, now: Instant) -> None:
    """One more try. Raises TooManyFailuresError; the code is then not to be looked at."""
    count_try(engine, now, _by_user(user))


def forgive_codes(connection: Connection, user: int) -> None:
    """A code was right."""
    forgive(connection, _by_user(user)[0])


def _by_user(user: int) -> Tried:
    return f"code {user}", FREE_CODES
