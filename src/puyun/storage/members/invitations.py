"""Invitations: a link that makes whoever it was written to a member, once, within a week."""

import hashlib

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from puyun.identity.members import check_assign
from puyun.identity.model import Membership, Role
from puyun.identity.rules import clean_email
from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.notices.kinds import MemberJoined
from puyun.storage import schema
from puyun.storage.identity import set_membership
from puyun.storage.members.people import acting_role
from puyun.storage.members.tables import invitation
from puyun.storage.notify.events import happened

_TABLE = invitation
LIFETIME = 7 * DAY
MOST = 100
"""Invitations of one organization that wait at a time."""


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """One that waits. `open`: whether its link still works."""

    id: int
    org: int
    organization: str
    email: str
    role: Role
    expires_at: Instant

    def open(self, now: Instant) -> bool:
        return now < self.expires_at


def invite(
    connection: Connection, org: int, email: str, role: Role, *, secret: str, actor: int, now: Instant
) -> Invitation:
    """A new link; one that was sent to this address before ends.

    Raises PuyunError `invalid_email` (400), `not_permitted` (403), `member_exists` or `too_many_invitations` (409).
    """
    email = clean_email(email)
    check_assign(acting_role(connection, org, actor), role)
    place, user = schema.membership, schema.user
    known = select(user.c.id).join(place, place.c.user == user.c.id).where(place.c.org == org, user.c.email == email)
    if connection.execute(known).first() is not None:
        raise PuyunError("member_exists", 409, f"{email} is a member already.", param="email")
    ended = (_TABLE.c.expires_at <= now) | (_TABLE.c.email == email)
    connection.execute(delete(_TABLE).where(_TABLE.c.org == org, ended))
    waiting = select(func.count()).select_from(_TABLE).where(_TABLE.c.org == org)
    if connection.execute(waiting).scalar_one() >= MOST:
        raise PuyunError("too_many_invitations", 409, f"{MOST} invitations wait already. Withdraw some first.")
    row = {"org": org, "email": email, "role": role, "hash": _fingerprint(secret), "by": actor}
    connection.execute(insert(_TABLE).values(**row, created_at=now, expires_at=now + LIFETIME))
    found = find(connection, secret, now)
    assert found is not None
    return found


def waiting(connection: Connection, org: int) -> list[Invitation]:
    """The newest first, ended ones too."""
    return _read(connection, _TABLE.c.org == org)


def find(connection: Connection, secret: str, now: Instant) -> Invitation | None:
    """By the secret of its link, while that works."""
    found = _read(connection, (_TABLE.c.hash == _fingerprint(secret)) & (_TABLE.c.expires_at > now))
    return found[0] if found else None


def withdraw(connection: Connection, org: int, number: int, *, actor: int) -> Invitation:
    """Its link ends. Raises `invitation_not_found` (404) or `not_permitted` (403)."""
    role = acting_role(connection, org, actor)
    found = _read(connection, (_TABLE.c.org == org) & (_TABLE.c.id == number))
    if not found:
        raise PuyunError("invitation_not_found", 404, "There is no such invitation; it may have been accepted.")
    check_assign(role, found[0].role)
    connection.execute(delete(_TABLE).where(_TABLE.c.id == number))
    return found[0]


def accept(connection: Connection, secret: str, user: int, email: str, now: Instant) -> Invitation:
    """Uses the link up. Who is a member already stays what they are.

    Raises `invitation_ended` (410), or `invitation_of_another` (403) for another address than it was written to.
    """
    found = find(connection, secret, now)
    if found is None:
        raise PuyunError("invitation_ended", 410, "This invitation was used, withdrawn or is too old. Ask for another.")
    if found.email != email:
        raise PuyunError("invitation_of_another", 403, f"This invitation is for {found.email}. Sign in as that user.")
    connection.execute(delete(_TABLE).where(_TABLE.c.id == found.id))
    place = schema.membership
    already = select(place.c.role).where(place.c.org == found.org, place.c.user == user)
    if connection.execute(already).first() is None:
        set_membership(connection, Membership(org=found.org, user=user, role=found.role))
        joined = MemberJoined(user=format_id("user", user), email=email, role=found.role)
        happened(connection, found.org, joined, subject=f"{user}:{now}", now=now)
    return found


def _read(connection: Connection, condition: ColumnElement[bool]) -> list[Invitation]:
    org = schema.organization
    query = select(_TABLE, org.c.name).join(org, org.c.id == _TABLE.c.org).where(condition)
    return [
        Invitation(
            id=row.id,
            org=row.org,
            organization=row.name,
            email=row.email,
            role=Role(row.role),
            expires_at=row.expires_at,
        )
        for row in connection.execute(query.order_by(_TABLE.c.id.desc()).limit(MOST))
    ]


def _fingerprint(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
