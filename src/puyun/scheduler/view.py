"""What pages, `/v1/limits` and `puyun pools` show: copies, taken at one moment."""

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant


class LaneView(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    pool: str
    declared: int
    seats: int
    """What the lane has now, after what its provider refused; 0 while it is paused."""
    in_flight: int
    by_tier: dict[Tier, int]
    lent: int
    paused_until: Instant | None
    breaker: str
    """`closed`, `open` or `half_open`."""
    remaining: dict[str, int]
    """Tokens or requests left, by bucket."""


class PoolView(msgspec.Struct, frozen=True, kw_only=True):
    """The lanes of one pool name that some model joins."""

    name: str
    owner: int | None
    seats: int
    used: dict[Tier, int]
    lent: int
    waiting: dict[Tier, int]
    """Claims that could be served by this pool; one that fits several pools is counted in each."""
    preempted: int
    lanes: tuple[LaneView, ...]


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """One model at one tier, as one organization sees it. Waits in microseconds."""

    model: int
    tier: Tier
    in_flight: int
    """Of the organization."""
    queued: int
    """Of the organization."""
    queue_limit: int
    tier_queued: int
    tier_queue_limit: int
    predicted_wait: int
    """Of a claim that arrives now."""
    pools: tuple[str, ...]
    """Where the organization runs at this moment."""
