"""The people of an organization, and changing what they are in it. Each act looks at roles inside its transaction."""

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, select, update

from puyun.identity.access import Permission, may
from puyun.identity.members import check_assign, check_change
from puyun.identity.model import Role
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.notices.kinds import MemberRemoved
from puyun.storage import schema
from puyun.storage.identity import revoke_key
from puyun.storage.members.tables import invitation
from puyun.storage.notify.events import happened

_USER, _PLACE, _SESSION, _KEY = schema.user, schema.membership, schema.session, schema.api_key

MOST = 1_000
"""People of an organization that are listed."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A user with the role in one organization. `seen_at`: of a session that is still open; None where none is."""

    user: int
    email: str
    role: Role
    seen_at: Instant | None


def list_people(connection: Connection, org: int) -> list[Person]:
    """By address, at most MOST."""
    seen = select(_SESSION.c.user, func.max(_SESSION.c.seen_at).label("at")).group_by(_SESSION.c.user).subquery()
    query = (
        select(_USER.c.id, _USER.c.email, _PLACE.c.role, seen.c.at)
        .select_from(_PLACE.join(_USER, _USER.c.id == _PLACE.c.user).outerjoin(seen, seen.c.user == _USER.c.id))
        .where(_PLACE.c.org == org)
        .order_by(_USER.c.email)
        .limit(MOST)
    )
    return [
        Person(user=row.id, email=row.email, role=Role(row.role), seen_at=row.at) for row in connection.execute(query)
    ]


def acting_role(connection: Connection, org: int, actor: int) -> Role:
    """What the actor is at this moment. Raises PuyunError `not_permitted` (403) unless it manages members."""
    role = _role(connection, org, actor)
    if role is None or not may(role, Permission.MANAGE_MEMBERS):
        raise PuyunError("not_permitted", 403, "You may no longer manage the members of this organization.")
    return role


def role_to_change(connection: Connection, org: int, user: int, *, actor: int) -> Role:
    """What a member is whom the actor may change. Raises `member_not_found` (404) or `not_permitted` (403)."""
    by = acting_role(connection, org, actor)
    role = _role(connection, org, user)
    if role is None:
        raise PuyunError("member_not_found", 404, "The organization has no such member.")
    check_assign(by, role)
    return role


def change_role(connection: Connection, org: int, user: int, role: Role, *, actor: int) -> bool:
    """False where they were that before. Raises `member_not_found` (404), `not_permitted` (403) or `last_owner` (409)."""
    before = _check(connection, org, user, role, actor)
    if before is role:
        return False
    _withdraw_of(connection, org, user)
    connection.execute(update(_PLACE).where(_at(org, user)).values(role=role))
    return True


def remove(connection: Connection, org: int, user: int, *, actor: int, now: Instant) -> int:
    """Out of the organization; keys of their own are revoked. Returns how many. Raises what `change_role` raises."""
    role = _check(connection, org, user, None, actor)
    _told(connection, org, user, role, now)
    _withdraw_of(connection, org, user)
    connection.execute(delete(_PLACE).where(_at(org, user)))
    own = select(_KEY.c.id).where(_KEY.c.org == org, _KEY.c.member == user, _KEY.c.revoked_at.is_(None))
    keys = list(connection.execute(own).scalars())
    for key in keys:
        revoke_key(connection, key, now)
    return len(keys)


def _told(connection: Connection, org: int, user: int, role: Role, now: Instant) -> None:
    email = connection.execute(select(_USER.c.email).where(_USER.c.id == user)).scalar_one()
    removed = MemberRemoved(user=format_id("user", user), email=email, role=role)
    happened(connection, org, removed, subject=f"{user}:{now}", now=now)


def _check(connection: Connection, org: int, user: int, after: Role | None, actor: int) -> Role:
    by = acting_role(connection, org, actor)
    before = _role(connection, org, user)
    if before is None:
        raise PuyunError("member_not_found", 404, "The organization has no such member.")
    owners = select(func.count()).select_from(_PLACE).where(_PLACE.c.org == org, _PLACE.c.role == Role.OWNER)
    check_change(by, before, after, connection.execute(owners).scalar_one())
    return before


def _withdraw_of(connection: Connection, org: int, user: int) -> None:
    """What somebody promised as what they are no more does not stand."""
    connection.execute(delete(invitation).where(invitation.c.org == org, invitation.c.by == user))


def _role(connection: Connection, org: int, user: int) -> Role | None:
    found = connection.execute(select(_PLACE.c.role).where(_at(org, user))).scalar()
    return None if found is None else Role(found)


def _at(org: int, user: int) -> ColumnElement[bool]:
    return and_(_PLACE.c.org == org, _PLACE.c.user == user)
