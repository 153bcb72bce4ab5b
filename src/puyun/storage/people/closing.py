"""Closing a user for good. What was paid and used stays: it belongs to the organization, and the journal is kept."""

import msgspec
from sqlalchemy import Connection, delete, select, update

from puyun.identity.model import Organization, OrganizationStatus, Role
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.storage import schema
from puyun.storage.control import tables as control
from puyun.storage.identity import list_memberships, read_keys, revoke_key, set_organization
from puyun.storage.members import tables as members
from puyun.storage.notify import tables as notify
from puyun.storage.notify.events import forget_person
from puyun.storage.security import tables as security
from puyun.storage.wallets import load_wallet

_USER, _MEMBERSHIP, _KEY = schema.user, schema.membership, schema.api_key
_THEIRS = (
    _MEMBERSHIP,
    schema.session,
    security.second_step,
    security.recovery_code,
    security.pending_sign_in,
    security.passkey,
    security.mailed_link,
    security.identity,
    security.trial_due,
    notify.mail_choice,
    notify.mail_language,
)
"""Rows that are a person's own."""


class Obstacle(msgspec.Struct, frozen=True):
    """Why a user cannot go yet. `paid`: nano-units of money paid in, in an organization that would be left without
    anybody; None: it would be left without an owner.
    """

    organization: Organization
    paid: int | None


class NotYetError(PuyunError):
    """Somebody or some money would be left behind."""

    def __init__(self, obstacles: list[Obstacle]) -> None:
        names = ", ".join(each.organization.name for each in obstacles)
        super().__init__(
            "user_needed", 409, f"You cannot go yet: {names} would be left without an owner or with money."
        )
        self.obstacles = obstacles


def obstacles(connection: Connection, user: int) -> list[Obstacle]:
    """What keeps a user: being the only owner among others, or the last member where there is money."""
    found: list[Obstacle] = []
    for organization, role in list_memberships(connection, user):
        others = _others(connection, organization.id, user)
        if not others:
            wallet = load_wallet(connection, organization.id)
            if wallet.paid or wallet.held or wallet.open_invoices:
                found.append(Obstacle(organization, wallet.paid))
        elif role is Role.OWNER and Role.OWNER not in others:
            found.append(Obstacle(organization, None))
    return found


def close_user(connection: Connection, user: int, now: Instant) -> None:
    """Ends the user's keys, sessions and memberships, and forgets the address and the password. An organization that
    nobody is left in is suspended, its keys revoked. Under the write lock, so that of two owners who go at once one stays.
    Raises NotYetError, and changes nothing then.
    """
    if kept := obstacles(connection, user):
        raise NotYetError(kept)
    for organization, _ in list_memberships(connection, user):
        mine = _KEY.c.org == organization.id
        if _others(connection, organization.id, user):
            mine &= _KEY.c.member == user
        else:
            set_organization(connection, organization.id, status=OrganizationStatus.SUSPENDED)
        for key in read_keys(connection, mine & _KEY.c.revoked_at.is_(None)):
            revoke_key(connection, key.id, now)
    for table in _THEIRS:
        connection.execute(delete(table).where(table.c.user == user))
    connection.execute(delete(members.invitation).where(members.invitation.c.by == user))
    end_tokens = update(control.access_token).where(control.access_token.c.user == user)
    connection.execute(end_tokens.where(control.access_token.c.revoked_at.is_(None)).values(revoked_at=now))
    forget_person(connection, user)
    gone = {"email": f"closed-{user}@account.invalid", "password_hash": "", "operator": 0}
    connection.execute(update(_USER).where(_USER.c.id == user).values(gone))


def _others(connection: Connection, org: int, user: int) -> set[Role]:
    """The roles of everybody else there."""
    query = select(_MEMBERSHIP.c.role).where(_MEMBERSHIP.c.org == org, _MEMBERSHIP.c.user != user).distinct()
    return {Role(role) for role in connection.execute(query).scalars()}
