"""Links that are mailed to a user: each opens one thing, once, for a while. Only the hash of its secret is kept."""

import hashlib
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select

from puyun.identity.model import User
from puyun.kit.clock import DAY, HOUR, Instant
from puyun.storage import schema
from puyun.storage.security.tables import mailed_link

_LINK = mailed_link


class Purpose(StrEnum):
    RESET = "reset"
    """A new password."""
    VERIFY = "verify"
    """The address is theirs."""


LIFETIME = {Purpose.RESET: HOUR, Purpose.VERIFY: DAY}


def make_link(connection: Connection, user: int, purpose: Purpose, secret: str, now: Instant) -> Instant:
    """Until when it works. The one before it ends."""
    ended = (_LINK.c.user == user) & (_LINK.c.purpose == purpose)
    connection.execute(delete(_LINK).where(ended | (_LINK.c.expires_at <= now)))
    ends = Instant(now + LIFETIME[purpose])
    row = {"hash": _fingerprint(secret), "user": user, "purpose": purpose, "expires_at": ends}
    connection.execute(insert(_LINK).values(row))
    return ends


def find_link(connection: Connection, secret: str, purpose: Purpose, now: Instant) -> User | None:
    """Whose it is; None where it was used, replaced, or is too old."""
    user = schema.user
    query = select(user).join(_LINK, _LINK.c.user == user.c.id).where(_open(secret, purpose, now))
    row = connection.execute(query).first()
    if row is None:
        return None
    return User(id=row.id, email=row.email, operator=bool(row.operator), created_at=row.created_at)


def use_link(connection: Connection, secret: str, purpose: Purpose, now: Instant) -> User | None:
    """As `find_link`, and it is used up."""
    user = find_link(connection, secret, purpose, now)
    if user is not None:
        connection.execute(delete(_LINK).where(_LINK.c.hash == _fingerprint(secret)))
    return user


def _open(secret: str, purpose: Purpose, now: Instant):  # noqa: ANN202 - SQLAlchemy's type of it is longer than the query
    return (_LINK.c.hash == _fingerprint(secret)) & (_LINK.c.purpose == purpose) & (_LINK.c.expires_at > now)


def _fingerprint(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
