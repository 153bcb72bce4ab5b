"""Seats divided among workers."""

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.attempt import OK, Spent
from puyun.scheduler.decision import Decision, Grant, Refusal, Why
from puyun.scheduler.lane import LaneSpec
from puyun.sim.policies.ordered import Queue
from puyun.sim.policies.split import Split


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


def seated(decisions: list[Decision]) -> list[int]:
    return [each.ticket for each in decisions if isinstance(each, Grant)]


def test_workers_have_their_part_of_the_seats_and_no_more() -> None:
    policy = Split([Queue(tiers=True) for _ in range(2)])
    policy.configure({1: LaneSpec(id=1, seats=3, rpm=10)}, Instant(0))
    assert [seated(policy.arrive(claim(ticket), Instant(0))) for ticket in range(5)] == [[0], [1], [2], [], []]
    assert policy.next_wake == 30 * SECOND
    assert seated(policy.end(1, Spent(), OK, Instant(1))) == [3], "the other worker's seat is not its"
    assert policy.wake(Instant(30 * SECOND)) == [Refusal(4, Why.EXPIRED, SECOND)]
