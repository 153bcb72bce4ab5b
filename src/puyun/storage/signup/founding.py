"""What a sign-up makes: user, organization, wallet, membership, limits and trial credit, all of it or nothing.

Where the address has to be verified first, the credit waits for that.
"""

import msgspec
from sqlalchemy import Connection, func, insert, select

from puyun.config import Signup
from puyun.identity.model import Membership, Role, User
from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.ledger.command import Act
from puyun.limits.rule import Subject
from puyun.storage import schema
from puyun.storage.identity import create_organization, create_user, set_membership
from puyun.storage.limits.rules import Change, set_limits
from puyun.storage.money.grants import give_bonus
from puyun.storage.security.tables import trial_due

REF = "signup"
"""The idempotency key of the trial credit: a wallet gets one."""

BY = "sign-up"


class Founder(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs up, for what. `org`: the number of the organization to be, `system.entropy.organization_id`. `verified`:
    whether an issuer vouches for the address.
    """

    email: str
    password_hash: str
    name: str
    org: int
    verified: bool = False


def found(
    connection: Connection, founder: Founder, terms: Signup, *, verify: bool, currency: str, now: Instant
) -> User:
    """The owner of a new organization; the caller's transaction makes it whole. `verify`: whether the trial credit waits
    for a founder who is not verified.

    Raises PuyunError `signups_full` (429), `user_exists`, `organization_exists` (409), `invalid_email` or
    `invalid_name` (400).
    """
    if founded_since(connection, Instant(now - DAY)) >= terms.per_day:
        message = "As many organizations as a day allows have signed up. Try again tomorrow, or ask the operator."
        raise PuyunError("signups_full", 429, message, headers={"retry-after": "3600"})
    user = create_user(connection, founder.email, founder.password_hash, now=now, verified=founder.verified)
    tiers = terms.given_tiers
    organization = create_organization(
        connection, founder.name, org=founder.org, tiers=tiers, currency=currency, now=now
    )
    set_membership(connection, Membership(org=organization.id, user=user.id, role=Role.OWNER))
    if terms.given_limits:
        change = Change(by=BY, why="as for everybody who signs up")
        set_limits(connection, Subject(org=organization.id), terms.given_limits, change, now=now)
    if verify and not founder.verified:
        connection.execute(insert(trial_due).values(org=organization.id, user=user.id))
    else:
        give_trial(connection, organization.id, terms, now)
    return user


def give_trial(connection: Connection, org: int, terms: Signup, now: Instant) -> None:
    """The trial credit, where there is one; once for each organization."""
    if not terms.given_credit:
        return
    ends = Instant(now + terms.credit_days * DAY) if terms.credit_days else None
    act = Act(REF, BY, "trial credit")
    give_bonus(connection, org, terms.given_credit, act, expires_at=ends, now=now)


def founded_since(connection: Connection, start: Instant) -> int:
    """How many organizations came into being at `start` or later, whoever made them."""
    table = schema.organization
    counted = select(func.count()).select_from(table).where(table.c.created_at >= start)
    return connection.execute(counted).scalar_one()
