"""Access tokens in the database: only a hash of each, and every look at one sees its user's role of this moment."""

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, Row, func, insert, select, update

from puyun.identity.model import Organization, Role, User
from puyun.identity.tokens import AccessToken, Scope, TokenSpec, TokenState, check_token, fingerprint, mint, prefix
from puyun.kit.clock import MINUTE, Instant
from puyun.kit.errors import PuyunError
from puyun.storage import schema
from puyun.storage.control.tables import access_token
from puyun.storage.identity import load_organization

TOKENS_MAX = 50
"""Tokens in use of one user in one organization."""

LISTED_MAX = 200

_SEEN_STEP = 5 * MINUTE
"""How exactly `used_at` is kept: a call does not write to the database each time."""

_TOKEN = access_token
_MEMBERSHIP = schema.membership
_scopes = msgspec.json.Decoder(tuple[Scope, ...])


class IssuedToken(msgspec.Struct, frozen=True):
    """A token and its secret, which nothing else knows. It has no readable form, so that no log can show it."""

    token: AccessToken
    secret: str

    def __repr__(self) -> str:
        return f"IssuedToken({self.token.prefix}…)"


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a token speaks for, as of this moment."""

    token: AccessToken
    user: User
    organization: Organization
    role: Role

    def stale(self, now: Instant) -> bool:
        """Whether it is time to write down that the token is in use."""
        return self.token.used_at is None or now - self.token.used_at > _SEEN_STEP


class TokenLine(msgspec.Struct, frozen=True):
    """A token with whose it is, and how it stands."""

    token: AccessToken
    owner: str
    state: TokenState


def issue_token(
    connection: Connection, org: int, user: int, spec: TokenSpec, *, entropy: Callable[[], bytes], now: Instant
) -> IssuedToken:
    """Raises what `identity.tokens.check_token` raises, `not_a_member` (403) or `too_many_tokens` (409)."""
    role = _role(connection, org, user)
    if role is None:
        raise PuyunError("not_a_member", 403, "Only a member of an organization can have a token for it.")
    spec = check_token(spec, role, now)
    mine = (_TOKEN.c.org == org) & (_TOKEN.c.user == user)
    in_use = mine & _TOKEN.c.revoked_at.is_(None) & (_TOKEN.c.expires_at > now)
    if connection.execute(select(func.count()).select_from(_TOKEN).where(in_use)).scalar_one() >= TOKENS_MAX:
        raise PuyunError("too_many_tokens", 409, f"There are {TOKENS_MAX} tokens in use. Revoke one first.")
    secret = mint(entropy())
    row = {
        "user": user,
        "org": org,
        "hash": fingerprint(secret),
        "prefix": prefix(secret),
        "name": spec.name,
        "scopes": msgspec.json.encode(spec.scopes).decode(),
        "created_at": now,
        "expires_at": spec.expires_at,
    }
    made = connection.execute(insert(_TOKEN).values(row).returning(_TOKEN)).one()
    return IssuedToken(_token(made), secret)


def find_bearer(connection: Connection, hashed: bytes, now: Instant) -> Bearer | None:
    """None for a token that is unknown, revoked or expired, and for one whose user has left the organization."""
    user = schema.user
    query = (
        select(_TOKEN, user.c.email, user.c.operator, user.c.created_at.label("since"), _MEMBERSHIP.c.role)
        .join(user, user.c.id == _TOKEN.c.user)
        .join(_MEMBERSHIP, (_MEMBERSHIP.c.org == _TOKEN.c.org) & (_MEMBERSHIP.c.user == _TOKEN.c.user))
        .where(_TOKEN.c.hash == hashed, _TOKEN.c.revoked_at.is_(None), _TOKEN.c.expires_at > now)
    )
    row = connection.execute(query).first()
    organization = None if row is None else load_organization(connection, row.org)
    if row is None or organization is None:
        return None
    person = User(id=row.user, email=row.email, operator=bool(row.operator), created_at=row.since)
    return Bearer(token=_token(row), user=person, organization=organization, role=Role(row.role))


def touch_token(connection: Connection, token: int, now: Instant) -> None:
    """The token is in use."""
    connection.execute(update(_TOKEN).where(_TOKEN.c.id == token).values(used_at=now))


def list_tokens(connection: Connection, org: int, now: Instant) -> list[TokenLine]:
    """Tokens for an organization, the newest first, at most LISTED_MAX; those in use before those that are not."""
    user = schema.user
    dead = _TOKEN.c.revoked_at.is_not(None) | (_TOKEN.c.expires_at <= now)
    query = (
        select(_TOKEN, user.c.email, _MEMBERSHIP.c.role)
        .join(user, user.c.id == _TOKEN.c.user)
        .outerjoin(_MEMBERSHIP, (_MEMBERSHIP.c.org == _TOKEN.c.org) & (_MEMBERSHIP.c.user == _TOKEN.c.user))
        .where(_TOKEN.c.org == org)
        .order_by(dead, _TOKEN.c.id.desc())
        .limit(LISTED_MAX)
    )
    return [
        TokenLine(token := _token(row), row.email, token.state(now, None if row.role is None else Role(row.role)))
        for row in connection.execute(query)
    ]


def find_token(connection: Connection, org: int, number: int) -> AccessToken | None:
    row = connection.execute(select(_TOKEN).where(_TOKEN.c.org == org, _TOKEN.c.id == number)).first()
    return None if row is None else _token(row)


def revoke_token(connection: Connection, org: int, number: int, now: Instant) -> AccessToken:
    """From the next call on it opens nothing. Revoking again keeps the first time. Raises `token_not_found` (404)."""
    mine = (_TOKEN.c.org == org) & (_TOKEN.c.id == number)
    revoked_at = func.coalesce(_TOKEN.c.revoked_at, now)
    row = connection.execute(update(_TOKEN).where(mine).values(revoked_at=revoked_at).returning(_TOKEN)).first()
    if row is None:
        raise PuyunError("token_not_found", 404, "There is no such access token.")
    return _token(row)


def _role(connection: Connection, org: int, user: int) -> Role | None:
    query = select(_MEMBERSHIP.c.role).where(_MEMBERSHIP.c.org == org, _MEMBERSHIP.c.user == user)
    role = connection.execute(query).scalar()
    return None if role is None else Role(role)


def _token(row: Row[*tuple[object, ...]]) -> AccessToken:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    return AccessToken(
        id=fields["id"],
        user=fields["user"],
        org=fields["org"],
        name=fields["name"],
        prefix=fields["prefix"],
        scopes=_scopes.decode(fields["scopes"]),
        created_at=fields["created_at"],
        expires_at=fields["expires_at"],
        used_at=fields["used_at"],
        revoked_at=fields["revoked_at"],
    )
