"""The sessions of one user, for whoever looks after them. A session's name is a hash of what the table keeps of it."""

import hashlib

import msgspec
from sqlalchemy import Connection, delete, select

from puyun.kit.clock import Instant
from puyun.storage import schema
from puyun.storage.sessions import IDLE

LISTED = 100

_SESSION = schema.session


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its owner sees it. `agent`: what the browser calls itself."""

    name: str
    agent: str
    created_at: Instant
    seen_at: Instant
    current: bool


def list_sessions(connection: Connection, user: int, current: bytes, now: Instant) -> list[Seen]:
    """Those that are alive, the one of `current` first, then the newest seen; at most LISTED."""
    query = (
        select(_SESSION)
        .where(_SESSION.c.user == user, _SESSION.c.expires_at > now, _SESSION.c.seen_at > now - IDLE)
        .order_by((_SESSION.c.hash == current).desc(), _SESSION.c.seen_at.desc(), _SESSION.c.hash)
        .limit(LISTED)
    )
    return [
        Seen(
            name=_name(row.hash),
            agent=row.agent,
            created_at=row.created_at,
            seen_at=row.seen_at,
            current=row.hash == current,
        )
        for row in connection.execute(query)
    ]


def end_session(connection: Connection, user: int, name: str) -> bool:
    """End the session of this name, if it is one of the user's."""
    for fingerprint in connection.execute(select(_SESSION.c.hash).where(_SESSION.c.user == user)).scalars().all():
        if _name(fingerprint) == name:
            connection.execute(delete(_SESSION).where(_SESSION.c.hash == fingerprint))
            return True
    return False


def end_other_sessions(connection: Connection, user: int, current: bytes) -> int:
    """End all of the user's but one; how many they were."""
    others = delete(_SESSION).where(_SESSION.c.user == user, _SESSION.c.hash != current)
    return connection.execute(others).rowcount


def _name(fingerprint: bytes) -> str:
    return hashlib.sha256(b"session " + fingerprint).hexdigest()[:32]
