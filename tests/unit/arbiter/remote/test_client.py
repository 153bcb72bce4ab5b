"""Leases over a socket: as if the arbiter were here, and what happens when it goes away and comes back."""

import asyncio

import pytest
from arbitration import Arbitration, play
from asking import FREE, ask, configuration, lane
from scripted import until

from puyun.arbiter.lease import Lease
from puyun.arbiter.message import Look
from puyun.arbiter.remote import server
from puyun.catalog.model import Tier
from puyun.kit.errors import PuyunError
from puyun.limits.rule import Metric, Rule, Scope
from puyun.scheduler.attempt import NOTHING, OK, Signal, SignalKind
from puyun.scheduler.lane import Facts

FAILED = Signal(SignalKind.FAILED)
PAIR = configuration(lane(1, seats=1), lane(2, seats=1))
ONE = configuration(lane(seats=1))
OURS = configuration(lane(seats=1, own=True))
MIXED = configuration(lane(1, seats=4), lane(2, seats=3, pool="enterprise"))


async def refused(lease: Lease) -> PuyunError:
    with pytest.raises(PuyunError) as caught:
        await lease.seat()
    return caught.value


# --- while it is there ------------------------------------------------------------------------------------------
def test_two_workers_share_the_seats_that_there_are() -> None:
    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        one, two = first.acquire(ask()), second.acquire(ask())
        assert await one.seat() == await two.seat() == 1
        three = second.acquire(ask())
        await until(lambda: three.standing is not None, "news of the queue")
        assert not three.lane
        one.end(NOTHING, OK)
        assert await three.seat() == 1
        assert three.waited > 0
        assert await second.standing(three) is None

    play(scene)


def test_a_refusal_comes_over_the_socket_whole() -> None:
    async def scene(stage: Arbitration) -> None:
        first, _ = (await stage.joined()).clients
        error = await refused(first.acquire(ask(tier=Tier.ENTERPRISE)))
        assert (error.status, error.details["scope"], error.details["metric"]) == (429, "organization", "rpm")

    rule = Rule(scope=Scope.ORGANIZATION, org=1, metric=Metric.RPM, amount=0, id=9)
    play(scene, lanes=configuration(lane(), rules=(*FREE, rule)))


def test_an_attempt_that_failed_goes_elsewhere() -> None:
    async def scene(stage: Arbitration) -> None:
        first, _ = (await stage.joined()).clients
        lease = first.acquire(ask(lanes=(1, 2)))
        lane_before = await lease.seat()
        lease.elsewhere(FAILED)
        assert await lease.seat() == 3 - lane_before
        lease.end(NOTHING, OK)
        again = first.acquire(ask(lanes=(3 - lane_before,)))
        assert await again.seat()

    play(scene, lanes=PAIR)


def test_whoever_leaves_the_queue_leaves_it_at_the_arbiter_too() -> None:
    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        held, left = first.acquire(ask()), second.acquire(ask())
        await held.seat()
        await until(lambda: left.standing is not None, "the queue")
        left.end(NOTHING, OK)
        third = second.acquire(ask())
        held.end(NOTHING, OK)
        assert await third.seat() == 1

    play(scene, lanes=ONE)


def test_a_preemptible_seat_is_sure_only_when_the_arbiter_says_so() -> None:
    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        test = first.acquire(ask(tier=Tier.TEST, org=2))
        assert await test.seat()
        assert test.preemptible
        told = asyncio.Event()
        test.on_preempted = told.set
        enterprise = second.acquire(ask(tier=Tier.ENTERPRISE))
        begun = asyncio.ensure_future(test.begin())
        await enterprise.seat()
        assert not await begun, "both were under way at once, and the arbiter had heard the other one first"
        await told.wait()
        assert not test.lane
        enterprise.end(NOTHING, OK)
        assert await test.seat() == 1
        assert await test.begin()
        test.progress(7)
        test.end(NOTHING, OK)

    async def in_order(stage: Arbitration) -> None:
        # The same with the first byte first: then it stays.
        first, second = (await stage.joined()).clients
        test = first.acquire(ask(tier=Tier.TEST, org=2))
        await test.seat()
        assert await test.begin()
        enterprise = second.acquire(ask(tier=Tier.ENTERPRISE))
        await until(lambda: enterprise.standing is not None, "the queue")
        assert test.lane

    play(scene, lanes=OURS)
    play(in_order, lanes=OURS)


def test_pools_and_queues_can_be_looked_at_after_facts_were_told() -> None:
    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        await first.acquire(ask()).seat()
        [seen] = await second.look(Look(1, 1, Tier.FLEX, (1,)))
        assert seen.queue.in_flight == 1
        second.observe(1, Facts(capacity=1))
        [pool] = await second.pools()
        assert pool.used[Tier.FLEX] == 1

    play(scene)


# --- while it is away -------------------------------------------------------------------------------------------
def test_a_worker_that_never_met_an_arbiter_serves_what_it_can() -> None:
    async def scene(stage: Arbitration) -> None:
        first, _ = stage.clients
        assert await first.acquire(ask(tier=Tier.ENTERPRISE, lanes=(2,))).seat() == 2
        error = await refused(first.acquire(ask(tier=Tier.TEST)))
        assert (error.status, error.headers["retry-after"]) == (429, "2")
        with pytest.raises(PuyunError):
            await first.pools()
        with pytest.raises(PuyunError):
            await first.look(Look(1, 1, Tier.FLEX, (1,)))

    play(scene, lanes=MIXED)


def test_seats_in_use_stay_in_use_and_nobody_takes_more_than_there_are() -> None:
    """Both seats are the first worker's; the second finds none until one comes back, although its share is free."""

    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        one, two = first.acquire(ask()), first.acquire(ask())
        await one.seat()
        await two.seat()
        await stage.away()
        three = second.acquire(ask(tier=Tier.ENTERPRISE))
        await asyncio.sleep(0.1)
        assert not three.lane
        assert await one.begin()
        one.end(NOTHING, OK)
        assert await three.seat() == 1
        assert not three.preemptible

    play(scene)


def test_a_worker_takes_no_seat_while_another_may_be_obeying_still() -> None:
    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        stage.die()
        await until(lambda: not first.joined and not second.joined, "both to notice")
        other = stage.client(2)
        other._stopgap.give_way()
        one = first.acquire(ask())
        await asyncio.sleep(0.1)
        assert not one.lane
        other._stopgap.act([])
        assert await one.seat() == 1

    play(scene)


def test_the_share_of_a_worker_is_its_part() -> None:
    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        await stage.away()
        flex = [first.acquire(ask(lanes=(1, 2))) for _ in range(3)]
        assert [lease.lane for lease in flex] == [1, 0, 0], "half of the shared pool for two workers"
        mine = [first.acquire(ask(tier=Tier.ENTERPRISE, lanes=(1, 2))) for _ in range(3)]
        assert [lease.lane for lease in mine] == [2, 1, 0]
        theirs = [second.acquire(ask(tier=Tier.ENTERPRISE, lanes=(1, 2))) for _ in range(3)]
        assert [lease.lane for lease in theirs] == [2, 1, 0]

    play(scene, lanes=MIXED)


def test_who_waits_too_long_for_the_arbiter_is_turned_away() -> None:
    async def scene(stage: Arbitration) -> None:
        first, _ = (await stage.joined()).clients
        held = first.acquire(ask())
        await held.seat()
        late = first.acquire(ask(max_wait=100_000))
        await stage.away()
        error = await refused(late)
        assert (error.status, error.code, error.headers["retry-after"]) == (503, "capacity_unavailable", "2")

    play(scene, lanes=ONE)


def test_a_lane_that_failed_meanwhile_waits_for_the_arbiter() -> None:
    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        await stage.away()
        lease, other = first.acquire(ask()), second.acquire(ask())
        assert lease.lane
        assert not other.lane
        lease.elsewhere(FAILED)
        assert await other.seat() == 1
        other.end(NOTHING, OK)
        await stage.back()
        assert await lease.seat() == 1

    play(scene, lanes=ONE)


# --- when it is back --------------------------------------------------------------------------------------------
def test_what_runs_is_claimed_and_nothing_is_given_twice() -> None:
    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        one, two = first.acquire(ask()), second.acquire(ask(tier=Tier.TEST))
        await one.seat()
        await two.seat()
        waits = second.acquire(ask(tier=Tier.TEST))
        await until(lambda: waits.standing is not None, "the queue")
        await stage.away()
        assert one.lane
        await stage.back()
        assert first.epoch == 2
        fourth = second.acquire(ask())
        await until(lambda: fourth.standing is not None, "the queue")
        assert not waits.lane
        one.end(NOTHING, OK)
        two.end(NOTHING, OK)
        assert await waits.seat() == 1
        assert await fourth.seat() == 1
        assert waits.waited > fourth.waited

    play(scene)


def test_seats_of_the_share_are_claimed_too() -> None:
    async def scene(stage: Arbitration) -> None:
        first, second = (await stage.joined()).clients
        await stage.away()
        one = first.acquire(ask())
        assert one.lane
        await stage.back()
        two = second.acquire(ask())
        await until(lambda: two.standing is not None, "the queue")
        one.end(NOTHING, OK)
        assert await two.seat()

    play(scene, lanes=ONE)


def test_nothing_is_decided_before_everybody_has_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HOLD_SECONDS", 0.2)

    async def scene(stage: Arbitration) -> None:
        (first,) = stage.clients[:1]
        await stage.start(expected=2)
        stage.connect(first)
        await until(lambda: first.epoch == 1, "a welcome")
        assert not first.joined
        test = first.acquire(ask(tier=Tier.TEST))
        assert (await refused(test)).status == 429
        await until(lambda: first.joined, "the wait for the other one to end")
        assert await first.acquire(ask()).seat()

    play(scene)


def test_a_preemptible_seat_begins_when_nobody_can_take_it_any_more() -> None:
    async def scene(stage: Arbitration) -> None:
        first, _ = (await stage.joined()).clients
        test = first.acquire(ask(tier=Tier.TEST))
        await test.seat()
        begun = asyncio.ensure_future(test.begin())
        stage.die()
        assert await begun
        await until(lambda: not first.joined, "the end")
        question = asyncio.ensure_future(first.pools())
        with pytest.raises(PuyunError):
            await question

    play(scene, lanes=OURS)


def test_a_worker_obeys_no_arbiter_that_is_older_than_one_it_knows() -> None:
    async def scene(stage: Arbitration) -> None:
        first, _ = (await stage.joined()).clients
        await stage.away()
        stage.epoch = -1
        await stage.start(expected=1)
        await asyncio.sleep(0.1)
        assert not first.joined
        stage.die()
        stage.epoch = 7
        await stage.back()
        assert first.epoch == 8

    play(scene)
