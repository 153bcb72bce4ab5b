"""Verified addresses: since when a user is known to read what is mailed to them, and what waited for that."""

from sqlalchemy import Connection, delete, select, update

from puyun.config import Signup
from puyun.kit.clock import Instant
from puyun.storage import schema
from puyun.storage.control.tables import access_token
from puyun.storage.security import tables
from puyun.storage.security.acts import Kind, record
from puyun.storage.signup.founding import give_trial

_USER = schema.user
_OTHER_WAYS_IN = (tables.second_step, tables.recovery_code, tables.passkey, tables.identity)


def is_verified(connection: Connection, user: int) -> bool:
    return connection.execute(select(_USER.c.verified_at).where(_USER.c.id == user)).scalar() is not None


def verify(connection: Connection, user: int, terms: Signup, now: Instant) -> bool:
    """The address is theirs; trial credit that waited for it is given. False where that was known before."""
    unknown = (_USER.c.id == user) & _USER.c.verified_at.is_(None)
    if not connection.execute(update(_USER).where(unknown).values(verified_at=now)).rowcount:
        return False
    record(connection, Kind.ADDRESS_VERIFIED, at=now, actor=user, user=user)
    due = delete(tables.trial_due).where(tables.trial_due.c.user == user).returning(tables.trial_due.c.org)
    for org in connection.execute(due).scalars().all():
        give_trial(connection, org, terms, now)
    return True


def end_other_ways_in(connection: Connection, user: int, now: Instant) -> None:
    """Of an address that nobody had vouched for: whoever signed up with it may be somebody else than whoever reads its
    mail, and may have left a passkey, an identity or codes behind.
    """
    for table in _OTHER_WAYS_IN:
        connection.execute(delete(table).where(table.c.user == user))
    tokens = (access_token.c.user == user) & access_token.c.revoked_at.is_(None)
    connection.execute(update(access_token).where(tokens).values(revoked_at=now))
