from seats import Play

from puyun.catalog.model import Tier


def test_pools_and_queues_as_they_are() -> None:
    play = Play("""
        lane 1 shared seats=2 rpm=60
        lane 2 enterprise seats=4 own lend
        0 test 1 by 1           | grant 1 at 1
        0 test 2 by 1           | grant 2 at 1
        0 test 3 by 1           | grant 3 at 2
        0 enterprise 4 by 2     | grant 4 at 2
        0 flex 5 by 3           | -
        0 flex 6 by 3           | -
    """)
    shared, enterprise = play.scheduler.pools()
    assert (shared.name, shared.seats, shared.lent) == ("shared", 2, 0)
    assert shared.used == {Tier.ENTERPRISE: 0, Tier.FLEX: 0, Tier.TEST: 2}
    assert shared.waiting == {Tier.ENTERPRISE: 0, Tier.FLEX: 2, Tier.TEST: 0}
    assert (enterprise.lent, enterprise.used[Tier.ENTERPRISE], enterprise.waiting[Tier.FLEX]) == (1, 1, 0)
    (lane,) = shared.lanes
    assert (lane.in_flight, lane.seats, lane.breaker, lane.remaining) == (2, 2, "closed", {"rpm": 8})
    queue = play.scheduler.view(1, Tier.FLEX, 3)
    assert (queue.in_flight, queue.queued, queue.tier_queued, queue.queue_limit) == (0, 2, 2, 32)
    assert play.scheduler.view(1, Tier.FLEX, 99).queued == 0


def test_a_paused_lane_has_no_seats_and_says_until_when() -> None:
    play = Play("""
        lane 1 shared seats=4
        0 flex 1
        1 end 1 overloaded after=30
    """)
    ((lane,),) = (pool.lanes for pool in play.scheduler.pools())
    assert (lane.seats, lane.paused_until, lane.declared) == (0, 31_000_000, 4)


def test_a_young_queue_is_judged_by_seats_and_by_how_long_calls_keep_them() -> None:
    """The same as who asks for a seat is told: nothing has left the queue yet."""
    play = Play("""
        lane 1 shared seats=2
        0 flex 1 by 1
        4 end 1 ok
        4 flex 2 by 1
        4 flex 3 by 1
        4 flex 4 by 2
    """)
    mine, nobodys = (play.scheduler.view(1, Tier.FLEX, org) for org in (2, 9))
    assert play.scheduler.standing(4) == (0, 2_000_000)
    assert mine.predicted_wait == 4_000_000, "for one more"
    assert nobodys.predicted_wait == 2_000_000, "a seat becomes free every 2 s"
