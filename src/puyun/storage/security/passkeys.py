"""Passkeys: public halves of keys that people's devices keep, and challenges that were answered."""

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from puyun.identity.model import User
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.storage import schema
from puyun.storage.engine import upsert
from puyun.storage.security import tables

MOST = 20
"""Passkeys of one user."""

_KEY, _USED = tables.passkey, tables.used_challenge


class NewPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """What a device has registered."""

    credential: bytes
    public_key: bytes
    signs: int
    name: str


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """One as it is kept."""

    id: int
    user: User
    credential: bytes
    public_key: bytes
    signs: int
    name: str
    created_at: Instant
    used_at: Instant | None


def add_passkey(connection: Connection, user: int, new: NewPasskey, now: Instant) -> int:
    """Its number. Raises PuyunError `too_many_passkeys` or `passkey_exists` (409)."""
    count = connection.execute(select(func.count()).select_from(_KEY).where(_KEY.c.user == user)).scalar_one()
    if count >= MOST:
        raise PuyunError("too_many_passkeys", 409, f"There are {MOST} passkeys already. Remove one that is not used.")
    if find_passkey(connection, new.credential) is not None:
        raise PuyunError("passkey_exists", 409, "This passkey is registered already.")
    row = msgspec.structs.asdict(new) | {"user": user, "created_at": now}
    return connection.execute(insert(_KEY).values(row).returning(_KEY.c.id)).scalar_one()


def list_passkeys(connection: Connection, user: int) -> list[Passkey]:
    """Oldest first."""
    return [_passkey(row) for row in connection.execute(_query().where(_KEY.c.user == user).order_by(_KEY.c.id))]


def find_passkey(connection: Connection, credential: bytes) -> Passkey | None:
    row = connection.execute(_query().where(_KEY.c.credential == credential)).first()
    return None if row is None else _passkey(row)


def remove_passkey(connection: Connection, user: int, number: int) -> bool:
    """False where the user has no such passkey."""
    removed = connection.execute(delete(_KEY).where(_KEY.c.user == user, _KEY.c.id == number))
    return removed.rowcount == 1


def use_passkey(connection: Connection, number: int, signs: int, now: Instant) -> bool:
    """It has let its user in. False where it was removed meanwhile."""
    used = update(_KEY).where(_KEY.c.id == number).values(signs=signs, used_at=now)
    return connection.execute(used).rowcount == 1


def use_challenge(connection: Connection, fingerprint: bytes, expires_at: Instant, now: Instant) -> bool:
    """Take the answer to a challenge. False where it has ended, or was answered before."""
    connection.execute(delete(_USED).where(_USED.c.expires_at <= now))
    if expires_at <= now:
        return False
    statement = upsert(connection, _USED).values(hash=fingerprint, expires_at=expires_at)
    once = statement.on_conflict_do_nothing(index_elements=["hash"]).returning(_USED.c.hash)
    return connection.execute(once).first() is not None


def _query():  # noqa: ANN202 - SQLAlchemy's type of it is longer than the query
    user = schema.user
    people = (user.c.email, user.c.operator, user.c.created_at.label("born"))
    return select(_KEY, *people).join(user, user.c.id == _KEY.c.user)


def _passkey(row: Row[*tuple[object, ...]]) -> Passkey:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    user = User(id=fields["user"], email=fields["email"], operator=bool(fields["operator"]), created_at=fields["born"])
    own = {name: fields[name] for name in Passkey.__struct_fields__ if name != "user"}
    return Passkey(user=user, **own)
