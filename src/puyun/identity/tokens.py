"""Access tokens of the control API: how a secret looks, what its scopes open, and how long it may last.

`pt-puyun-` and 64 hexadecimal digits, which carry 256 random bits.
"""

import hashlib
import re
from collections.abc import Collection
from enum import StrEnum

import msgspec

from puyun.identity.access import Permission, may
from puyun.identity.model import Role
from puyun.identity.rules import clean_name
from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError

PREFIX = "pt-puyun-"
ENTROPY_BYTES = 32
"""How many random bytes `mint` takes."""

LIFETIME_MAX = 366 * DAY

_SECRET = re.compile(re.escape(PREFIX) + r"[0-9a-f]{64}")
_SHOWN = len(PREFIX) + 4


class Scope(StrEnum):
    """What a token is made for."""

    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    USAGE_READ = "usage:read"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"
    BUDGETS_WRITE = "budgets:write"
    LIMITS_READ = "limits:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    EVENTS_READ = "events:read"


NEEDED = {
    Scope.KEYS_READ: Permission.SEE_USAGE,
    Scope.KEYS_WRITE: Permission.MANAGE_OWN_KEYS,
    Scope.USAGE_READ: Permission.SEE_USAGE,
    Scope.BILLING_READ: Permission.SEE_BILLING,
    Scope.BILLING_WRITE: Permission.TOP_UP,
    Scope.BUDGETS_WRITE: Permission.MANAGE_MEMBERS,
    Scope.LIMITS_READ: Permission.SEE_USAGE,
    Scope.WEBHOOKS_READ: Permission.MANAGE_KEYS,
    Scope.WEBHOOKS_WRITE: Permission.MANAGE_KEYS,
    Scope.EVENTS_READ: Permission.SEE_USAGE,
}
"""What the token's user must be permitted at the moment of a call, as for the page that shows or does the same."""


class TokenSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a new token is for."""

    name: str
    scopes: tuple[Scope, ...]
    expires_at: Instant


class TokenState(StrEnum):
    """Whether a token opens anything, or why it does not any more."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    ORPHANED = "orphaned"
    """Its user is no member any more."""


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """A stored token: all that is known of it but the secret. `used_at` may lie some minutes behind."""

    id: int
    user: int
    org: int
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None = None
    revoked_at: Instant | None = None

    def state(self, now: Instant, role: Role | None) -> TokenState:
        """`role`: of its user in its organization, None for somebody who is not in it."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if now >= self.expires_at:
            return TokenState.EXPIRED
        return TokenState.ACTIVE if role is not None else TokenState.ORPHANED


def mint(entropy: bytes) -> str:
    """A new secret. Raises ValueError unless it is given exactly ENTROPY_BYTES bytes."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"an access token takes {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    return PREFIX + entropy.hex()


def well_formed(secret: str) -> bool:
    return _SECRET.fullmatch(secret) is not None


def fingerprint(secret: str) -> bytes:
    """What is stored and looked up: SHA-256. The secret is random, so a slow hash would add nothing but time."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def prefix(secret: str) -> str:
    """The part that may be shown again, to tell tokens apart."""
    return secret[:_SHOWN]


def check_token(spec: TokenSpec, role: Role, now: Instant) -> TokenSpec:
    """The spec with its name made clean and its scopes in their order. Raises PuyunError `invalid_name`, `none_chosen`,
    `invalid_expiry` (400) or `scope_not_permitted` (403).
    """
    name = clean_name(spec.name)
    if not spec.scopes:
        raise PuyunError("none_chosen", 400, "A token needs at least one scope.", param="scopes")
    if not now < spec.expires_at <= now + LIFETIME_MAX:
        days = LIFETIME_MAX // DAY
        raise PuyunError("invalid_expiry", 400, f"A token ends within {days} days.", param="expires")
    for scope in spec.scopes:
        if not may(role, NEEDED[scope]):
            message = f"As {role} you may not do what {scope} is for, and no token can do more than its user."
            raise PuyunError("scope_not_permitted", 403, message, param="scopes")
    return TokenSpec(name=name, scopes=ordered(spec.scopes), expires_at=spec.expires_at)


def ordered(scopes: Collection[Scope]) -> tuple[Scope, ...]:
    """Each once, in the order in which they are listed everywhere."""
    return tuple(scope for scope in Scope if scope in scopes)
