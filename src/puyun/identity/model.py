"""Tenants, people and keys, as the database and every page spell them."""

from enum import StrEnum

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant


class OrganizationStatus(StrEnum):
    ACTIVE = "active"
    SUSPENDED = "suspended"


class Role(StrEnum):
    """What a user is in an organization; `access` says what each may do."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"
    BILLING = "billing"


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """A paying tenant. `tiers` are those its keys may use."""

    id: int
    name: str
    tiers: tuple[Tier, ...]
    status: OrganizationStatus = OrganizationStatus.ACTIVE
    created_at: Instant
    revision: int = 0


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person who signs in. An `operator` runs the platform; that is no matter of membership."""

    id: int
    email: str
    operator: bool = False
    created_at: Instant


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """What a user is in one organization."""

    org: int
    user: int
    role: Role


class KeySpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key may do. Empty `models` and `ips` mean any; `budget` is in nano-units for the key's whole life."""

    tier: Tier
    name: str = ""
    models: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    budget: int | None = None
    expires_at: Instant | None = None
    member: int | None = None


class KeyState(StrEnum):
    """Whether a key serves calls, or why it does not any more."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A stored key: all that is known of it but the secret. `spent` and `held` (nano-units) count against `budget`."""

    id: int
    org: int
    prefix: str
    name: str
    tier: Tier
    models: tuple[str, ...]
    ips: tuple[str, ...]
    member: int | None
    expires_at: Instant | None
    revoked_at: Instant | None
    created_at: Instant
    revision: int
    budget: int | None = None
    spent: int = 0
    held: int = 0

    def usable(self, now: Instant) -> bool:
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def state(self, now: Instant) -> KeyState:
        """A key that was revoked stays so, whatever its expiry."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        return KeyState.ACTIVE if self.usable(now) else KeyState.EXPIRED
