"""The second step of a sign-in: its secret, the recovery codes, and who still owes a code."""

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from puyun.kit.clock import MINUTE, Instant
from puyun.storage.engine import upsert
from puyun.storage.security import tables

PENDING_FOR = Instant(10 * MINUTE)

_SECOND, _CODE, _PENDING = tables.second_step, tables.recovery_code, tables.pending_sign_in


class SecondStep(msgspec.Struct, frozen=True, kw_only=True):
    """`sealed`: the encrypted secret; `codes`: recovery codes left. Asked for only once it is confirmed."""

    sealed: bytes
    confirmed_at: Instant | None
    last_step: int
    codes: int


def find_second_step(connection: Connection, user: int) -> SecondStep | None:
    """Also one that was begun and not confirmed."""
    left = select(func.count()).select_from(_CODE).where(_CODE.c.user == user).scalar_subquery()
    row = connection.execute(select(_SECOND, left.label("codes")).where(_SECOND.c.user == user)).first()
    if row is None:
        return None
    return SecondStep(sealed=row.secret, confirmed_at=row.confirmed_at, last_step=row.last_step, codes=row.codes)


def asked_for_code(connection: Connection, user: int) -> bool:
    """Whether the password alone does not let this user in."""
    confirmed = (_SECOND.c.user == user) & _SECOND.c.confirmed_at.is_not(None)
    return connection.execute(select(_SECOND.c.user).where(confirmed)).first() is not None


def begin_second_step(connection: Connection, user: int, sealed: bytes, now: Instant) -> bool:
    """A new secret in the place of one that was not confirmed; False where one is in use, which stays."""
    if asked_for_code(connection, user):
        return False
    values = {"secret": sealed, "created_at": now, "last_step": 0}
    statement = upsert(connection, _SECOND).values(user=user, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["user"], set_=values))
    return True


def confirm_second_step(connection: Connection, user: int, sealed: bytes, step: int, now: Instant) -> bool:
    """From now on it is asked for. False where it was confirmed before, or the secret is another by now."""
    same = (_SECOND.c.user == user) & (_SECOND.c.secret == sealed) & _SECOND.c.confirmed_at.is_(None)
    changed = connection.execute(update(_SECOND).where(same).values(confirmed_at=now, last_step=step))
    return changed.rowcount == 1


def end_second_step(connection: Connection, user: int) -> None:
    """The password alone lets in again; recovery codes go with it."""
    for table in (_SECOND, _CODE, _PENDING):
        connection.execute(delete(table).where(table.c.user == user))


def use_step(connection: Connection, user: int, step: int) -> bool:
    """Take a code of this step. False where one of it, or of a later one, was taken before."""
    newer = (_SECOND.c.user == user) & _SECOND.c.confirmed_at.is_not(None) & (_SECOND.c.last_step < step)
    return connection.execute(update(_SECOND).where(newer).values(last_step=step)).rowcount == 1


def set_codes(connection: Connection, user: int, hashes: list[bytes]) -> None:
    """Recovery codes in the place of those before."""
    connection.execute(delete(_CODE).where(_CODE.c.user == user))
    connection.execute(insert(_CODE), [{"user": user, "hash": fingerprint} for fingerprint in hashes])


def use_code(connection: Connection, user: int, fingerprint: bytes) -> bool:
    """Take a recovery code; each goes once."""
    used = delete(_CODE).where(_CODE.c.user == user, _CODE.c.hash == fingerprint)
    return connection.execute(used).rowcount == 1


def open_pending(connection: Connection, fingerprint: bytes, user: int, now: Instant) -> None:
    """The password was right; what has ended is removed on the way."""
    connection.execute(delete(_PENDING).where(_PENDING.c.expires_at <= now))
    row = {"hash": fingerprint, "user": user, "expires_at": now + PENDING_FOR}
    connection.execute(insert(_PENDING).values(row))


def find_pending(connection: Connection, fingerprint: bytes, now: Instant) -> int | None:
    """The user who owes a code."""
    alive = (_PENDING.c.hash == fingerprint) & (_PENDING.c.expires_at > now)
    return connection.execute(select(_PENDING.c.user).where(alive)).scalar()


def close_pending(connection: Connection, fingerprint: bytes) -> None:
    """It is done, and cannot be done again."""
    connection.execute(delete(_PENDING).where(_PENDING.c.hash == fingerprint))
