"""What the data plane knows: models, deployments, prices and keys, read once and immutable until the next reading."""

from ipaddress import IPv4Network, IPv6Network

import msgspec

from puyun.catalog.model import Deployment, Model, Provider, Tier
from puyun.kit.clock import Instant


class Candidate(msgspec.Struct, frozen=True):
    """A deployment that can serve a model, with its row's number and its provider."""

    id: int
    deployment: Deployment
    provider: Provider


class SoldModel(msgspec.Struct, frozen=True):
    """A model with its row's number and its deployments, in the catalogue's order."""

    id: int
    model: Model
    candidates: tuple[Candidate, ...]


class Key(msgspec.Struct, frozen=True):
    """An API key as a call meets it. `models` empty means every model; `networks` empty means from anywhere."""

    id: int
    org: int
    tier: Tier
    tiers: frozenset[Tier]
    models: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]
    expires_at: Instant | None
    active: bool
    """Neither revoked nor of a suspended organization."""
    member: int = 0
    """Whose key it is, and whose budget its calls count against; 0: nobody's."""
