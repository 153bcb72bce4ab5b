"""One queue, or one for each tier, by hand."""

import pytest

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.attempt import OK, Signal, SignalKind, Spent
from puyun.scheduler.decision import Decision, Grant, Refusal, Why
from puyun.scheduler.lane import LaneSpec
from puyun.sim.policies.ordered import Queue

BUSY = Signal(SignalKind.OVERLOADED, 3 * SECOND)


def claim(ticket: int, tier: Tier = Tier.FLEX, max_wait: int = 30 * SECOND) -> Claim:
    return Claim(
        ticket=ticket,
        org=1,
        key=1,
        tier=tier,
        model=1,
        lanes=(1,),
        input=1,
        output=1,
        stream=True,
        max_wait=max_wait,
    )


def queue(seats: int = 1, lanes: int = 1, *, tiers: bool = True) -> Queue:
    made = Queue(tiers=tiers)
    made.configure({lane: LaneSpec(id=lane, seats=seats) for lane in range(1, lanes + 1)}, Instant(0))
    return made


def seated(decisions: list[Decision]) -> list[int]:
    return [each.ticket for each in decisions if isinstance(each, Grant)]


@pytest.mark.parametrize(("tiers", "order"), [(True, [4, 3, 2]), (False, [2, 3, 4])])
def test_the_highest_tier_first_or_whoever_came_first(tiers: bool, order: list[int]) -> None:
    policy = queue(tiers=tiers)
    assert seated(policy.arrive(claim(1), Instant(0))) == [1]
    for ticket, tier in ((2, Tier.TEST), (3, Tier.FLEX), (4, Tier.ENTERPRISE)):
        assert policy.arrive(claim(ticket, tier), Instant(0)) == []
    found, ending = list[int](), 1
    for _ in range(3):
        (ending,) = seated(policy.end(ending, Spent(), OK, Instant(1)))
        found.append(ending)
    assert found == order
    assert policy.end(ending, Spent(), OK, Instant(1)) == []


def test_the_emptier_lane_is_taken() -> None:
    policy = queue(seats=2, lanes=2)
    assert [policy.arrive(claim(ticket), Instant(0))[0].lane for ticket in range(4)] == [1, 2, 1, 2]


def test_who_has_waited_long_enough_is_refused_at_that_moment() -> None:
    policy = queue()
    policy.arrive(claim(1), Instant(0))
    policy.arrive(claim(2, max_wait=5), Instant(10))
    policy.arrive(claim(3, max_wait=2), Instant(10))
    assert policy.next_wake == 12
    assert policy.wake(Instant(12)) == [Refusal(3, Why.EXPIRED, SECOND)]
    assert policy.cancel(2, Instant(13)) == []
    assert policy.next_wake is None
    assert policy.end(1, Spent(), OK, Instant(14)) == []


def test_a_lane_that_is_busy_pauses_and_the_call_goes_elsewhere_first() -> None:
    policy = queue(seats=2, lanes=2)
    assert policy.arrive(claim(1), Instant(0))[0].lane == 1
    assert policy.elsewhere(1, BUSY, Instant(1)) == [Grant(1, 2, "shared", waited=1, preemptible=False)]
    assert policy.arrive(claim(2), Instant(2))[0].lane == 2
    assert policy.arrive(claim(3), Instant(2)) == []
    assert policy.next_wake == 3 * SECOND + 1
    assert policy.wake(Instant(3 * SECOND + 1))[0].lane == 1
    assert policy.elsewhere(1, BUSY, Instant(3 * SECOND + 2)) == [Refusal(1, Why.RETRIES_SPENT, SECOND)]
