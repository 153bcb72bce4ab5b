"""New keys: the first one for a purpose, and the one that takes another's place."""

import msgspec
from sqlalchemy import Connection

from puyun.identity.keys import mint
from puyun.identity.model import ApiKey, KeySpec, Organization
from puyun.kit.clock import DAY, HOUR, Instant
from puyun.kit.errors import PuyunError
from puyun.ledger.budget import Period, Subject
from puyun.storage import schema
from puyun.storage.budgets.budgets import list_budgets, set_budget
from puyun.storage.identity import create_key, expire_key, read_keys, revoke_key
from puyun.storage.limits.rules import copy_key_limits

OVERLAPS = {"now": 0, "1h": HOUR, "24h": DAY, "7d": 7 * DAY}
"""How long a rotated key may still be used, by the name that people choose it with: microseconds."""


class Issued(msgspec.Struct, frozen=True):
    """A key and its secret, which nothing else knows. It has no readable form, so that no log can show it."""

    key: ApiKey
    secret: str

    def __repr__(self) -> str:
        return f"Issued({self.key.prefix}…)"


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """How a key is rotated. `overlap`: microseconds for which the old one still works; `expires_at`: of the new one."""

    overlap: int
    expires_at: Instant | None


def issue_key(
    connection: Connection, organization: Organization, spec: KeySpec, entropy: bytes, now: Instant
) -> Issued:
    """Raises what `identity.rules.check_key` raises. `entropy`: what `identity.keys.mint` takes."""
    secret = mint(entropy)
    return Issued(create_key(connection, organization, spec, secret, now), secret)


def rotate_key(
    connection: Connection, organization: Organization, old: ApiKey, rotation: Rotation, *, entropy: bytes, now: Instant
) -> Issued:
    """A new key that may do what the old one may, which ends after the overlap; its own earlier end stays.

    Limits and budgets go over. A budget for the whole life of a key is worth what is left of it: rotating renews no
    money. Raises PuyunError `key_not_usable` or `budget_used_up` (409), and what `issue_key` raises.
    """
    if not old.usable(now):
        raise PuyunError("key_not_usable", 409, "This key has ended already; create a new one.")
    spec = KeySpec(
        tier=old.tier,
        name=old.name,
        models=old.models,
        ips=old.ips,
        expires_at=rotation.expires_at,
        member=old.member,
    )
    issued = issue_key(connection, organization, spec, entropy, now)
    _copy_budgets(connection, old, issued.key, now)
    copy_key_limits(connection, old.org, old.id, to=issued.key.id, now=now)
    if rotation.overlap:
        expire_key(connection, old.id, Instant(now + rotation.overlap))
    else:
        revoke_key(connection, old.id, now)
    [key] = read_keys(connection, schema.api_key.c.id == issued.key.id)  # with its budget
    return Issued(key, issued.secret)


def _copy_budgets(connection: Connection, old: ApiKey, new: ApiKey, now: Instant) -> None:
    for budget in list_budgets(connection, old.org, now):
        if budget.subject is not Subject.KEY or budget.number != old.id:
            continue
        amount = budget.available if budget.period is Period.TOTAL else budget.amount
        if not amount and budget.hard:
            message = "Nothing of this key's budget is left. Create a new key with a budget of its own."
            raise PuyunError("budget_used_up", 409, message)
        if amount:  # of a soft budget that is used up notice has been given
            set_budget(
                connection,
                old.org,
                Subject.KEY,
                new.id,
                period=budget.period,
                amount=amount,
                hard=budget.hard,
                by=budget.created_by,
                now=now,
            )
