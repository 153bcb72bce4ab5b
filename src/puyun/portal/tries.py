"""Tries that are counted before they are made, and slowed down: by e-mail address, by network address."""

from sqlalchemy import Connection, Engine

from puyun.kit.clock import SECOND, Instant
from puyun.kit.errors import PuyunError
from puyun.storage.engine import writing
from puyun.storage.sessions import count_attempt
from puyun.web import throttle

Tried = tuple[str, int]
"""What is counted, and how many tries of it are free."""


class TooManyFailuresError(PuyunError):
    """The address or the e-mail has to wait until `until`."""

    def __init__(self, until: Instant, now: Instant) -> None:
        wait = str(-(-(until - now) // SECOND))
        message = f"Too many tries. Wait {wait} seconds, then try again."
        super().__init__("too_many_failures", 429, message, headers={"retry-after": wait})
        self.until = until


def by_email(email: str) -> Tried:
    return f"email {email}", throttle.FREE_BY_EMAIL


def by_address(address: str) -> Tried:
    return f"address {throttle.network_of(address)}", throttle.FREE_BY_ADDRESS


def signups_by_address(address: str) -> Tried:
    return f"sign-up {throttle.network_of(address)}", throttle.FREE_SIGNUPS_BY_ADDRESS


def resets_by_email(email: str) -> Tried:
    return f"reset {email}", throttle.FREE_LETTERS


def resets_by_address(address: str) -> Tried:
    return f"reset by {throttle.network_of(address)}", throttle.FREE_RESETS_BY_ADDRESS


def letters_to_verify(user: int) -> Tried:
    return f"verify {user}", throttle.FREE_LETTERS


def codes_by_user(user: int) -> Tried:
    return f"code {user}", throttle.FREE_CODES


def codes_by_address(address: str) -> Tried:
    return f"code by {throttle.network_of(address)}", throttle.FREE_BY_ADDRESS


def count_try(engine: Engine, now: Instant, *tried: Tried) -> None:
    """One more try of each. Raises TooManyFailuresError; the try is then not to be made."""
    with writing(engine) as connection:
        count_within(connection, now, *tried)


def count_within(connection: Connection, now: Instant, *tried: Tried) -> None:
    """As `count_try`, in a transaction of the caller's, which the error is to end."""
    for subject, free in tried:
        until = count_attempt(
            connection,
            subject,
            now,
            forgotten_after=throttle.FORGOTTEN_AFTER,
            lock=lambda failures, free=free: throttle.locked_until(failures, free, now),
        )
        if until > now:
            raise TooManyFailuresError(until, now)
