"""Identities: whom an issuer may vouch for. They are known by issuer and subject; an address is never enough."""

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from puyun.identity.model import User
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.storage import schema
from puyun.storage.security import tables

MOST = 20
"""Identities of one user."""

_TABLE, _USER = tables.identity, schema.user


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """One as it is kept. `email`: what the issuer called them when it was connected."""

    id: int
    user: User
    issuer: str
    subject: str
    email: str
    created_at: Instant
    used_at: Instant | None


def find_identity(connection: Connection, issuer: str, subject: str) -> Identity | None:
    row = connection.execute(_query().where(_TABLE.c.issuer == issuer, _TABLE.c.subject == subject)).first()
    return None if row is None else _identity(row)


def list_identities(connection: Connection, user: int) -> list[Identity]:
    """Oldest first."""
    return [_identity(row) for row in connection.execute(_query().where(_TABLE.c.user == user).order_by(_TABLE.c.id))]


def connect(connection: Connection, user: int, issuer: str, subject: str, *, email: str, now: Instant) -> None:
    """From now on the issuer lets this user in. Again it changes nothing.

    Raises PuyunError `identity_of_another` or `too_many_identities` (409).
    """
    found = find_identity(connection, issuer, subject)
    if found is not None and found.user.id == user:
        return
    if found is not None:
        raise PuyunError("identity_of_another", 409, "This identity lets another user in already.")
    count = connection.execute(select(func.count()).select_from(_TABLE).where(_TABLE.c.user == user)).scalar_one()
    if count >= MOST:
        raise PuyunError("too_many_identities", 409, f"{MOST} identities are connected already. Remove one first.")
    row = {"user": user, "issuer": issuer, "subject": subject, "email": email, "created_at": now}
    connection.execute(insert(_TABLE).values(row))


def use_identity(connection: Connection, number: int, now: Instant) -> None:
    """It has let its user in."""
    connection.execute(update(_TABLE).where(_TABLE.c.id == number).values(used_at=now))


def remove_identity(connection: Connection, user: int, number: int) -> Identity | None:
    """None where the user has no such identity. Raises PuyunError `last_way_in` (409) where nothing else lets them in."""
    own = list_identities(connection, user)
    found = next((identity for identity in own if identity.id == number), None)
    if found is None:
        return None
    password = connection.execute(select(_USER.c.password_hash).where(_USER.c.id == user)).scalar()
    passkey = connection.execute(select(tables.passkey.c.id).where(tables.passkey.c.user == user)).first()
    if len(own) == 1 and not password and passkey is None:
        raise PuyunError("last_way_in", 409, "Nothing else lets you in. Set a password or add a passkey first.")
    connection.execute(delete(_TABLE).where(_TABLE.c.id == number))
    return found


def _query():  # noqa: ANN202 - SQLAlchemy's type of it is longer than the query
    people = (_USER.c.email.label("address"), _USER.c.operator, _USER.c.created_at.label("born"))
    return select(_TABLE, *people).join(_USER, _USER.c.id == _TABLE.c.user)


def _identity(row: Row[*tuple[object, ...]]) -> Identity:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    operator = bool(fields["operator"])
    user = User(id=fields["user"], email=fields["address"], operator=operator, created_at=fields["born"])
    own = {name: fields[name] for name in Identity.__struct_fields__ if name != "user"}
    return Identity(user=user, **own)
