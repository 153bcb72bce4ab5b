"""What pages, `/v1/limits` and `puyun pools` show: copies, taken at one moment."""

from collections.abc import Iterable, Sequence

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.scheduler.flow import Line, Tab
from puyun.scheduler.lane import Lane
from puyun.scheduler.level import Level, Route
from puyun.scheduler.pool import RANKS, Pool


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


def pool_views(lanes: Iterable[Lane[Line]], levels: Sequence[Level], now: Instant) -> list[PoolView]:
    """One for each pool, in the order of its first lane."""
    found: dict[int, tuple[Pool[Lane[Line]], list[Lane[Line]]]] = {}
    for lane in lanes:
        found.setdefault(id(lane.pool), (lane.pool, []))[1].append(lane)
    return [_pool_view(pool, members, levels, now) for pool, members in found.values()]


def _pool_view(pool: Pool[Lane[Line]], lanes: Sequence[Lane[Line]], levels: Sequence[Level], now: Instant) -> PoolView:
    waiting = dict.fromkeys(RANKS, 0)
    for level in levels:
        if any(lane.pool is pool for line in level.busy for lane, _ in line.lanes):
            waiting[RANKS[level.rank]] += level.waiting
    return PoolView(
        name=pool.name,
        owner=pool.owner,
        seats=pool.seats,
        used=dict(zip(RANKS, pool.used, strict=True)),
        lent=pool.lent,
        waiting=waiting,
        preempted=pool.preempted,
        lanes=tuple(_lane_view(lane, now) for lane in lanes),
    )


def _lane_view(lane: Lane[Line], now: Instant) -> LaneView:
    paused = lane.until if lane.until > now else None
    buckets = {name: bucket for name in ("rpm", "itpm", "otpm") if (bucket := lane.bucket(name))}
    breaker = "closed" if not lane.breaker.tripped else "half_open" if paused is None else "open"
    return LaneView(
        id=lane.id,
        pool=lane.pool.name,
        declared=lane.spec.seats,
        seats=0 if paused else lane.seats,
        in_flight=lane.in_flight,
        by_tier=dict(zip(RANKS, lane.used, strict=True)),
        lent=lane.lent,
        paused_until=paused,
        breaker=breaker,
        remaining={name: bucket.remaining(now) for name, bucket in buckets.items()},
    )


def queue_view(level: Level, org: int, now: Instant) -> QueueView:
    tab = level.tabs.get(org)
    waiting = tab.waiting if tab else 0
    return QueueView(
        model=level.model,
        tier=RANKS[level.rank],
        in_flight=tab.running if tab else 0,
        queued=waiting,
        queue_limit=level.rules.of(RANKS[level.rank]).queue_org,
        tier_queued=level.waiting,
        tier_queue_limit=level.bound,
        predicted_wait=level.predict(org, waiting, _route(level, tab), now) if level.waiting else 0,
    )


def _route(level: Level, tab: Tab | None) -> Route | None:
    """Where calls of the organization wait to go, or somebody's if it has none: a young queue is judged by its seats."""
    wanted = next(iter(tab.flows), None) if tab else None
    return next((route for route in level.routes.values() if wanted in {None, route.lanes}), None)
