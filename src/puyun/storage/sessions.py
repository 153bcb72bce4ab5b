"""Browser sessions, and what is counted of them: failed sign-ins, keys made, forms sent.

A session is stored as the hash of its cookie, so the table opens no door.
"""

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from puyun.identity.model import User
from puyun.kit.clock import DAY, MINUTE, Instant
from puyun.storage import schema
from puyun.storage.engine import upsert

LIFETIME = 30 * DAY
IDLE = 7 * DAY
_SEEN_STEP = 5 * MINUTE
"""How exactly `seen_at` is kept: a page view does not write to the database each time."""

_SESSION = schema.session
_FAILURE = schema.signin_failure
_AGENT_MAX = 200


class Session(msgspec.Struct, frozen=True):
    """Somebody who is signed in. `seen_at` may lie some minutes behind."""

    user: User
    seen_at: Instant

    def stale(self, now: Instant) -> bool:
        """Whether it is time to write down that the session is in use."""
        return now - self.seen_at > _SEEN_STEP


def open_session(connection: Connection, fingerprint: bytes, user: int, *, agent: str, now: Instant) -> None:
    """Begin a session; ended ones are removed on the way."""
    connection.execute(delete(_SESSION).where((_SESSION.c.expires_at <= now) | (_SESSION.c.seen_at <= now - IDLE)))
    row = {"hash": fingerprint, "user": user, "created_at": now, "seen_at": now, "expires_at": now + LIFETIME}
    connection.execute(insert(_SESSION).values(agent=agent[:_AGENT_MAX], **row))


def find_session(connection: Connection, fingerprint: bytes, now: Instant) -> Session | None:
    """A session that has neither expired nor lain idle."""
    user = schema.user
    query = (
        select(user, _SESSION.c.seen_at)
        .join(_SESSION, _SESSION.c.user == user.c.id)
        .where(_SESSION.c.hash == fingerprint, _SESSION.c.expires_at > now, _SESSION.c.seen_at > now - IDLE)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    found = User(id=row.id, email=row.email, operator=bool(row.operator), created_at=row.created_at)
    return Session(found, row.seen_at)


def touch_session(connection: Connection, fingerprint: bytes, now: Instant) -> None:
    """The session is in use."""
    connection.execute(update(_SESSION).where(_SESSION.c.hash == fingerprint).values(seen_at=now))


def close_session(connection: Connection, fingerprint: bytes) -> None:
    connection.execute(delete(_SESSION).where(_SESSION.c.hash == fingerprint))


def count_attempt(
    connection: Connection, subject: str, now: Instant, *, forgotten_after: int, lock: Callable[[int], Instant]
) -> Instant:
    """Count a try before it is made, so that many at once do not slip through; returns until when the subject waits.

    A result after `now` means: refuse, nothing was counted. `lock(failures)` says what the next try has to wait for.
    """
    connection.execute(delete(_FAILURE).where(_FAILURE.c.locked_until <= now - forgotten_after))
    query = select(_FAILURE.c.failures, _FAILURE.c.locked_until).where(_FAILURE.c.subject == subject)
    row = connection.execute(query).first()
    if row is not None and row.locked_until > now:
        return row.locked_until
    failures = 1 if row is None else row.failures + 1
    values = {"failures": failures, "locked_until": lock(failures)}
    statement = upsert(connection, _FAILURE).values(subject=subject, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["subject"], set_=values))
    return now


def forgive(connection: Connection, subject: str) -> None:
    """The try was a success: forget the failures before it."""
    connection.execute(delete(_FAILURE).where(_FAILURE.c.subject == subject))


def uncount_attempt(connection: Connection, subject: str, now: Instant) -> None:
    """The try was a success, but those before it still count."""
    values = {"failures": _FAILURE.c.failures - 1, "locked_until": now}
    connection.execute(update(_FAILURE).where(_FAILURE.c.subject == subject).values(values))
