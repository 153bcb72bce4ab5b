"""Organizations, people and keys in the database. Every change is counted, so that running servers notice it."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, insert, select, update

from puyun.catalog.model import Tier
from puyun.identity.keys import fingerprint, prefix, well_formed
from puyun.identity.model import ApiKey, KeySpec, Membership, Organization, OrganizationStatus, Role, User
from puyun.identity.rules import check_key, clean_email, clean_name
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id, parse_id
from puyun.ledger.budget import Period, Subject
from puyun.notices.kinds import KeyCreated, KeyRevoked
from puyun.storage import schema
from puyun.storage.budgets import tables
from puyun.storage.budgets.budgets import set_budget
from puyun.storage.engine import bump
from puyun.storage.notify.events import happened
from puyun.storage.security.tables import mailed_link, pending_sign_in

_ORG = schema.organization
_USER = schema.user
_KEY = schema.api_key

_names = msgspec.json.Decoder(tuple[str, ...])
_tiers = msgspec.json.Decoder(tuple[Tier, ...])


# --- organizations -------------------------------------------------------------------------------------------------
def create_organization(
    connection: Connection, name: str, *, org: int, tiers: Sequence[Tier], currency: str, now: Instant
) -> Organization:
    """An organization with an empty wallet. `org` is a random number of 31 bits (`system.entropy.organization_id`).

    Raises PuyunError `organization_exists` (409) when the name or, by a rare chance, the number is taken.
    """
    name = clean_name(name)
    if not tiers:
        raise PuyunError("invalid_tiers", 400, "An organization needs at least one tier.", param="tiers")
    taken = select(_ORG.c.id).where((_ORG.c.name == name) | (_ORG.c.id == org))
    if connection.execute(taken).first() is not None:
        raise PuyunError("organization_exists", 409, f"There is an organization called {name!r} already.", param="name")
    revision = bump(connection, "identity")
    ordered = tuple(tier for tier in Tier if tier in tiers)
    row = {"id": org, "name": name, "tiers": _json(ordered), "created_at": now, "revision": revision}
    connection.execute(insert(_ORG).values(row))
    connection.execute(insert(schema.wallet).values(org=org, currency=currency))
    return Organization(id=org, name=name, tiers=ordered, created_at=now, revision=revision)


def find_organization(connection: Connection, name_or_id: str) -> Organization | None:
    """By its exact name, else by its id (`org_…`)."""
    row = connection.execute(select(_ORG).where(_ORG.c.name == name_or_id)).first()
    number = _number("org", name_or_id)
    if row is None and number is not None:
        row = connection.execute(select(_ORG).where(_ORG.c.id == number)).first()
    return None if row is None else _organization(row)


def load_organization(connection: Connection, org: int) -> Organization | None:
    row = connection.execute(select(_ORG).where(_ORG.c.id == org)).first()
    return None if row is None else _organization(row)


def list_organizations(connection: Connection) -> list[Organization]:
    """All, by name."""
    return [_organization(row) for row in connection.execute(select(_ORG).order_by(_ORG.c.name))]


def set_organization(
    connection: Connection,
    org: int,
    *,
    name: str | None = None,
    tiers: Sequence[Tier] | None = None,
    status: OrganizationStatus | None = None,
) -> Organization:
    """Change what is given. Raises PuyunError `organization_not_found` (404) or `organization_exists` (409)."""
    found = load_organization(connection, org)
    if found is None:
        raise PuyunError("organization_not_found", 404, "There is no such organization.")
    values: dict[str, object] = {"revision": bump(connection, "identity")}
    if name is not None:
        values["name"] = clean_name(name)
        other = find_organization(connection, clean_name(name))
        if other is not None and other.id != org:
            raise PuyunError("organization_exists", 409, f"There is an organization called {name!r} already.")
    if tiers is not None:
        if not tiers:
            raise PuyunError("invalid_tiers", 400, "An organization needs at least one tier.", param="tiers")
        values["tiers"] = _json(tuple(tier for tier in Tier if tier in tiers))
    if status is not None:
        values["status"] = status
    row = connection.execute(update(_ORG).where(_ORG.c.id == org).values(values).returning(_ORG)).one()
    return _organization(row)


def _organization(row: Row[*tuple[object, ...]]) -> Organization:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    return Organization(
        id=fields["id"],
        name=fields["name"],
        tiers=_tiers.decode(fields["tiers"]),
        status=OrganizationStatus(fields["status"]),
        created_at=fields["created_at"],
        revision=fields["revision"],
    )


# --- people --------------------------------------------------------------------------------------------------------
def create_user(
    connection: Connection,
    email: str,
    password_hash: str,
    *,
    now: Instant,
    operator: bool = False,
    verified: bool = True,
) -> User:
    """A person; an empty hash lets nobody in by password. `verified`: whether somebody vouches for the address, such as
    the operator who typed it. Raises PuyunError `user_exists` (409).
    """
    email = clean_email(email)
    if find_user(connection, email) is not None:
        raise PuyunError("user_exists", 409, f"There is a user with the address {email} already.", param="email")
    row: dict[str, object] = {"email": email, "password_hash": password_hash, "operator": int(operator)}
    row |= {"created_at": now, "verified_at": now if verified else None}
    number = connection.execute(insert(_USER).values(row).returning(_USER.c.id)).scalar_one()
    return User(id=number, email=email, operator=operator, created_at=now)


def find_user(connection: Connection, email: str) -> User | None:
    """By address, whatever its case."""
    row = connection.execute(select(_USER).where(_USER.c.email == email.strip().lower())).first()
    if row is None:
        return None
    return User(id=row.id, email=row.email, operator=bool(row.operator), created_at=row.created_at)


def password_hash(connection: Connection, user: int) -> str:
    """The stored hash; empty when the user cannot sign in by password."""
    return connection.execute(select(_USER.c.password_hash).where(_USER.c.id == user)).scalar() or ""


def set_password_hash(connection: Connection, user: int, stored: str) -> None:
    """Store a new hash, and end the user's sessions and links to set another: whoever had the old password is out."""
    connection.execute(update(_USER).where(_USER.c.id == user).values(password_hash=stored))
    connection.execute(schema.session.delete().where(schema.session.c.user == user))
    connection.execute(pending_sign_in.delete().where(pending_sign_in.c.user == user))
    resets = (mailed_link.c.user == user) & (mailed_link.c.purpose == "reset")
    connection.execute(mailed_link.delete().where(resets))


def set_membership(connection: Connection, membership: Membership) -> None:
    """Join an organization, or change the role in it."""
    table = schema.membership
    place = (table.c.org == membership.org) & (table.c.user == membership.user)
    changed = connection.execute(update(table).where(place).values(role=membership.role))
    if not changed.rowcount:
        connection.execute(insert(table).values(msgspec.structs.asdict(membership)))


def list_memberships(connection: Connection, user: int) -> list[tuple[Organization, Role]]:
    """The organizations of a user by name, with the role in each."""
    table = schema.membership
    query = select(_ORG, table.c.role).join(table, table.c.org == _ORG.c.id).where(table.c.user == user)
    return [(_organization(row), Role(row.role)) for row in connection.execute(query.order_by(_ORG.c.name))]


def list_members(connection: Connection, org: int) -> list[tuple[User, Role]]:
    """The people of an organization by address, with the role of each."""
    table = schema.membership
    query = select(_USER, table.c.role).join(table, table.c.user == _USER.c.id).where(table.c.org == org)
    return [
        (User(id=row.id, email=row.email, operator=bool(row.operator), created_at=row.created_at), Role(row.role))
        for row in connection.execute(query.order_by(_USER.c.email))
    ]


# --- keys ----------------------------------------------------------------------------------------------------------
def create_key(connection: Connection, organization: Organization, spec: KeySpec, secret: str, now: Instant) -> ApiKey:
    """Store a key's fingerprint and restrictions; the secret itself is kept nowhere. Raises what `check_key` raises."""
    models = set(connection.execute(select(schema.model.c.name)).scalars()) if spec.models else set[str]()
    check_key(spec, organization, models, now)
    shown = prefix(secret)
    row = {
        "org": organization.id,
        "hash": fingerprint(secret),
        "prefix": shown,
        "name": spec.name,
        "member": spec.member,
        "tier": spec.tier,
        "models": _json(spec.models),
        "ips": _json(spec.ips),
        "expires_at": spec.expires_at,
        "created_at": now,
        "revision": bump(connection, "identity"),
    }
    number = connection.execute(insert(_KEY).values(row).returning(_KEY.c.id)).scalar_one()
    if spec.budget is not None:
        amount = spec.budget
        set_budget(connection, organization.id, Subject.KEY, number, period=Period.TOTAL, amount=amount, now=now)
    made = KeyCreated(key=format_id("key", number), name=spec.name, prefix=shown)
    happened(connection, organization.id, made, subject=made.key, now=now)
    return read_keys(connection, _KEY.c.id == number)[0]


def list_keys(connection: Connection, org: int | None = None) -> list[ApiKey]:
    """Keys of one organization, or of all, oldest first; revoked ones included."""
    return read_keys(connection, _KEY.c.org == org) if org is not None else read_keys(connection, _KEY.c.id > 0)


def find_keys(connection: Connection, text: str) -> list[ApiKey]:
    """By id (`key_…`), by the whole secret, or by the prefix that lists show; more than one only for a prefix."""
    number = _number("key", text)
    if number is not None:
        return read_keys(connection, _KEY.c.id == number)
    if well_formed(text):
        return read_keys(connection, _KEY.c.hash == fingerprint(text))
    return read_keys(connection, _KEY.c.prefix == text)


def revoke_key(connection: Connection, key: int, now: Instant) -> ApiKey:
    """From now on the key is refused. Revoking again keeps the first time. Raises `key_not_found` (404)."""
    revoked_at = func.coalesce(_KEY.c.revoked_at, now)
    found = _changed(connection, key, revoked_at=revoked_at)
    gone = KeyRevoked(key=format_id("key", key), name=found.name, prefix=found.prefix)
    happened(connection, found.org, gone, subject=gone.key, now=now)
    return found


def expire_key(connection: Connection, key: int, at: Instant) -> ApiKey:
    """The key is refused from `at` on, or from before where it ended sooner. Raises `key_not_found` (404)."""
    sooner = case((_KEY.c.expires_at < at, _KEY.c.expires_at), else_=at)
    return _changed(connection, key, expires_at=sooner)


def _changed(connection: Connection, key: int, **values: ColumnElement[int]) -> ApiKey:
    revision = bump(connection, "identity")
    connection.execute(update(_KEY).where(_KEY.c.id == key).values(**values, revision=revision))
    found = read_keys(connection, _KEY.c.id == key)
    if not found:
        raise PuyunError("key_not_found", 404, "There is no such key.")
    return found[0]


def read_keys(connection: Connection, condition: ColumnElement[bool], *, newest: int | None = None) -> list[ApiKey]:
    """Keys of a condition on `schema.api_key`, oldest first; with `newest` at most so many, the newest first."""
    budget, window = tables.budget, tables.budget_window
    total = and_(budget.c.period == Period.TOTAL, budget.c.hard == 1, budget.c.ended_at.is_(None))
    mine = and_(budget.c.org == _KEY.c.org, budget.c.subject == Subject.KEY, budget.c.number == _KEY.c.id, total)
    query = (
        select(_KEY, budget.c.amount, window.c.spent, window.c.held)
        .select_from(_KEY.outerjoin(budget, mine).outerjoin(window, window.c.budget == budget.c.id))
        .where(condition)
        .order_by(_KEY.c.id if newest is None else _KEY.c.id.desc())
        .limit(newest)
    )
    return [
        ApiKey(
            id=row.id,
            org=row.org,
            prefix=row.prefix,
            name=row.name,
            tier=Tier(row.tier),
            models=_names.decode(row.models),
            ips=_names.decode(row.ips),
            member=row.member,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            created_at=row.created_at,
            revision=row.revision,
            budget=row.amount,
            spent=row.spent or 0,
            held=row.held or 0,
        )
        for row in connection.execute(query)
    ]


def _json(value: Sequence[str]) -> str:
    return msgspec.json.encode(value).decode()


def _number(kind: str, text: str) -> int | None:
    try:
        return parse_id(kind, text)
    except ValueError:
        return None
