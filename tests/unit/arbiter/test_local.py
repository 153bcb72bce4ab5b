"""The arbiter of a process that is alone: leases as a call uses them, on a real event loop."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from asking import FREE, ask, configuration, decider, lane

from puyun.arbiter.lease import Lease
from puyun.arbiter.local import Local
from puyun.arbiter.message import Look
from puyun.catalog.model import Tier
from puyun.kit.errors import PuyunError
from puyun.limits.rule import Metric, Rule, Scope
from puyun.scheduler.attempt import NOTHING, OK, Signal, SignalKind
from puyun.scheduler.lane import LaneSpec
from puyun.system.clock import SteadyClock

FAILED = Signal(SignalKind.FAILED)


class GoneError(Exception):
    """The client left."""


def play(scene: Callable[[Local], Awaitable[None]], *lanes: LaneSpec, rules: tuple[Rule, ...] = ()) -> None:
    async def run() -> None:
        local = Local(decider(), SteadyClock(), asyncio.get_running_loop())
        local.configure(configuration(*(lanes or (lane(seats=1),)), rules=FREE + rules))
        async with asyncio.timeout(20):
            await scene(local)
        local.close()

    uvloop.run(run())


def waiting(lease: Lease) -> asyncio.Task[int]:
    return asyncio.ensure_future(lease.seat())


def test_a_free_seat_needs_no_turn_of_the_loop() -> None:
    async def scene(local: Local) -> None:
        lease = local.acquire(ask())
        assert (lease.lane, lease.pool, lease.serial) == (1, "shared", 1)
        assert await lease.seat() == 1
        lease.end(NOTHING, OK)
        assert lease.over

    play(scene)


def test_who_waits_gets_the_seat_that_comes_free() -> None:
    async def scene(local: Local) -> None:
        one, two = local.acquire(ask()), local.acquire(ask())
        assert not two.lane
        assert two.standing is not None
        assert await local.standing(two) is not None
        seat = waiting(two)
        await asyncio.sleep(0)
        assert not seat.done()
        one.end(NOTHING, OK)
        one.end(NOTHING, OK)
        assert await seat == 1
        assert await local.standing(two) is None

    play(scene)


def test_a_refusal_is_raised_where_the_seat_is_awaited() -> None:
    async def scene(local: Local) -> None:
        refused = local.acquire(ask(tier=Tier.ENTERPRISE))
        assert refused.over
        with pytest.raises(PuyunError) as caught:
            await refused.seat()
        assert (caught.value.status, caught.value.code) == (429, "rate_limit_exceeded")
        assert caught.value.details["metric"] == "rpm"
        refused.end(NOTHING, OK)

    play(scene, rules=(Rule(scope=Scope.ORGANIZATION, org=1, metric=Metric.RPM, amount=0, id=9),))


def test_a_deadline_ends_the_wait_without_anybody_asking() -> None:
    async def scene(local: Local) -> None:
        held = local.acquire(ask())
        with pytest.raises(PuyunError) as caught:
            await local.acquire(ask(max_wait=60_000)).seat()
        assert (caught.value.status, caught.value.code) == (503, "capacity_unavailable")
        with pytest.raises(PuyunError) as caught:
            await local.acquire(ask(max_wait=60_000, tier=Tier.TEST)).seat()
        assert caught.value.status == 429
        held.end(NOTHING, OK)

    play(scene)


def test_a_client_that_leaves_ends_the_wait() -> None:
    async def scene(local: Local) -> None:
        held, left = local.acquire(ask()), local.acquire(ask())
        seat = waiting(left)
        await asyncio.sleep(0)
        left.give_up(GoneError())
        with pytest.raises(GoneError):
            await seat
        left.end(NOTHING, OK)
        third = local.acquire(ask())
        held.end(NOTHING, OK)
        assert await third.seat() == 1

    play(scene)


def test_a_lane_that_failed_is_left_for_another_and_then_for_none() -> None:
    async def scene(local: Local) -> None:
        lease = local.acquire(ask(lanes=(1, 2)))
        first = lease.lane
        lease.elsewhere(FAILED)
        assert await lease.seat() == 3 - first
        lease.elsewhere(FAILED)
        with pytest.raises(PuyunError):
            await lease.seat()
        lease.elsewhere(FAILED)

    play(scene, lane(1), lane(2))


def test_a_seat_that_is_taken_away_is_told_and_another_comes() -> None:
    async def scene(local: Local) -> None:
        test = local.acquire(ask(tier=Tier.TEST, org=2))
        assert test.preemptible
        told = asyncio.Event()
        test.on_preempted = told.set
        first = local.acquire(ask(tier=Tier.ENTERPRISE))
        assert first.lane
        assert not test.lane
        await told.wait()
        assert not await test.begin()
        first.end(NOTHING, OK)
        assert await test.seat() == 1
        assert test.serial == 2
        assert await test.begin()
        second = local.acquire(ask(tier=Tier.ENTERPRISE))
        assert not second.lane, "what has begun is not taken away"
        test.progress(10)
        test.end(NOTHING, OK)
        assert await second.seat() == 1

    play(scene, lane(seats=1, own=True))


def test_a_seat_that_is_not_preemptible_begins_at_once() -> None:
    async def scene(local: Local) -> None:
        lease = local.acquire(ask())
        assert await lease.begin()
        assert await lease.begin()

    play(scene)


def test_limits_queues_and_pools_can_be_looked_at() -> None:
    async def scene(local: Local) -> None:
        local.acquire(ask())
        local.acquire(ask())
        [seen] = await local.look(Look(1, 1, Tier.FLEX, (1,)))
        assert (seen.queue.in_flight, seen.queue.queued) == (1, 1)
        assert [row.reading.remaining for row in seen.limits] == [8]
        [pool] = await local.pools()
        assert pool.used[Tier.FLEX] == 1

    play(scene, rules=(Rule(scope=Scope.ORGANIZATION, org=1, metric=Metric.IN_FLIGHT, amount=10, id=9),))
