"""Every number the scheduler obeys, by tier. Shares are per mille, times microseconds.

The defaults are those of docs/concepts/scheduling.md, which says why.
"""

from collections.abc import Mapping

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import MINUTE, SECOND


class TierRules(msgspec.Struct, frozen=True, kw_only=True):
    share: int
    """Of a shared pool: Enterprise's ceiling, Flex's guarantee, Test's floor. Each binds only while others wait."""
    queue_org: int
    """Claims one organization may have waiting for one model."""
    queue_per_seat: int
    """Claims all organizations may have waiting for one model, for each seat of it; at least `queue_org`."""
    max_wait: int
    retries: int
    """Second attempts of a call, each at another lane."""
    protect: int
    """Of a lane's token buckets: left to the tiers above while Enterprise runs there."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    test: TierRules = TierRules(share=50, queue_org=16, queue_per_seat=4, max_wait=120 * SECOND, retries=1, protect=250)
    flex: TierRules = TierRules(share=500, queue_org=32, queue_per_seat=8, max_wait=30 * SECOND, retries=2, protect=100)
    enterprise: TierRules = TierRules(
        share=450, queue_org=64, queue_per_seat=8, max_wait=10 * SECOND, retries=3, protect=0
    )
    share_window: int = 10 * SECOND
    """Of one seat: how far a tier's part of it may be behind or ahead."""
    weights: Mapping[int, int] = {}
    """By organization; 1 where none is given. Twice the weight is twice the share of its tier."""

    debt: int = 1_000_000
    """Token-cost units an organization may be ahead of its tier: what it took beyond that while alone is forgotten."""
    credit: int = 4
    """Calls of usual cost by which an organization that comes anew may be behind those that wait: a few calls of who took
    less than its share go before the next one of who floods; not so many that a flood itself could come by them."""
    idle: int = 10 * MINUTE
    """After this an organization's counter is forgotten."""

    kept_back: int = 2
    """Seats of a lending pool that are never lent."""
    preemptions: int = 2
    """How often one call may lose its seat."""
    preempt_share: int = 50
    """Of a pool's seat time: what preemption may waste."""
    preempt_window: int = MINUTE
    """Over which that share may be used up at once."""

    skip_flows: int = 4
    skip_for: int = 2 * SECOND
    """How many organizations may pass one whose next claim lacks tokens, and for how long; then the refill is its own."""

    burst_requests: int = 10 * SECOND
    burst_tokens: int = 60 * SECOND
    """What a lane's buckets hold: the amount of this long."""

    cut: int = 800
    """What an overloaded lane keeps of its seats."""
    cut_gap: int = SECOND
    grow_at: int = 800
    """A lane earns seats back only while this much of them is in use."""
    backoff: int = SECOND
    backoff_max: int = MINUTE
    """Pause of a lane that did not say how long: doubled each time, up to the longest."""
    breaker_window: int = 10
    breaker_failures: int = 5
    kv_full: int = 900
    """Key-value cache use above which an engine of ours is given less."""
    metrics_stale: int = 5 * SECOND

    retry_share: int = 100
    """Second attempts of a pool, per mille of its calls,"""
    retry_floor: int = 3
    """and so many always."""
    calm: int = 30 * SECOND
    """Test gets no second attempt while its lane was cut within this time."""

    drain_window: int = 30 * SECOND
    """Over which the speed of a queue is measured."""
    retry_after_max: int = MINUTE

    def of(self, tier: Tier) -> TierRules:
        if tier is Tier.TEST:
            return self.test
        return self.flex if tier is Tier.FLEX else self.enterprise


DEFAULTS = Rules()
