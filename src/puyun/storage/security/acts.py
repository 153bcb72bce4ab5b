"""Acts that change who may get in: written in the transaction of what they tell of, and never changed."""

from enum import StrEnum

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, insert, select

from puyun.kit.clock import Instant
from puyun.storage import schema
from puyun.storage.security.tables import security_act

DETAIL_MAX = 300

_ACT = security_act


class Kind(StrEnum):
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - the name of an act
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of an act
    RESET_LINK = "reset_link"
    """The operator made a link by which a password is set."""
    SECOND_STEP_ON = "second_step_on"
    SECOND_STEP_OFF = "second_step_off"
    RECOVERY_CODES = "recovery_codes"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    IDENTITY_CONNECTED = "identity_connected"
    IDENTITY_REMOVED = "identity_removed"
    ADDRESS_VERIFIED = "address_verified"
    INVITED = "invited"
    INVITATION_WITHDRAWN = "invitation_withdrawn"
    JOINED = "joined"
    ROLE_CHANGED = "role_changed"
    MEMBER_REMOVED = "member_removed"


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """An act. `actor`: its e-mail address, empty for the operator; `user`: to whom, empty for nobody here yet."""

    at: Instant
    kind: Kind
    actor: str
    user: str
    detail: str


def record(
    connection: Connection,
    kind: Kind,
    *,
    at: Instant,
    actor: int | None,
    user: int | None = None,
    org: int | None = None,
    detail: str = "",
) -> None:
    """`detail`: a role, an invited address, the name of a passkey; never a secret."""
    row = {"at": at, "kind": kind, "actor": actor, "user": user, "org": org, "detail": detail[:DETAIL_MAX]}
    connection.execute(insert(_ACT).values(row))


def acts_of_user(connection: Connection, user: int, most: int) -> list[Done]:
    """The newest first."""
    return _read(connection, _ACT.c.user == user, most)


def acts_of_organization(connection: Connection, org: int, most: int) -> list[Done]:
    """The newest first."""
    return _read(connection, _ACT.c.org == org, most)


def _read(connection: Connection, condition: ColumnElement[bool], most: int) -> list[Done]:
    actor, user = schema.user.alias("actor"), schema.user.alias("whom")
    people = _ACT.outerjoin(actor, actor.c.id == _ACT.c.actor).outerjoin(user, user.c.id == _ACT.c.user)
    query = select(_ACT, actor.c.email.label("by"), user.c.email.label("whom")).select_from(people).where(condition)
    return [_done(row) for row in connection.execute(query.order_by(_ACT.c.id.desc()).limit(most))]


def _done(row: Row[*tuple[object, ...]]) -> Done:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    return Done(
        at=fields["at"],
        kind=Kind(fields["kind"]),
        actor=fields["by"] or "",
        user=fields["whom"] or "",
        detail=fields["detail"],
    )
