"""Limits, then scheduler: every way through both. Time is a number."""

from asking import FREE, ask, configuration, decider, lane

from puyun.arbiter.decider import Decider
from puyun.arbiter.message import Granted, Look, Preempted, Refused, Standing
from puyun.catalog.model import Tier
from puyun.kit.clock import SECOND, Instant
from puyun.limits.rule import Metric, Rule, Scope
from puyun.scheduler.attempt import ABANDONED, NOTHING, OK, Signal, SignalKind, Spent
from puyun.scheduler.decision import Why

T0 = Instant(1_000_000_000_000_000)
FAILED = Signal(SignalKind.FAILED)


def at(seconds: float) -> Instant:
    return Instant(T0 + int(seconds * SECOND))


def limit(metric: Metric, amount: int, burst: int | None = None) -> Rule:
    return Rule(scope=Scope.ORGANIZATION, org=1, metric=metric, amount=amount, burst=burst, id=9)


def ready(*lanes, rules=()) -> Decider:
    made = decider()
    assert made.configure(configuration(*(lanes or (lane(),)), rules=FREE + rules), T0) == []
    return made


def test_a_free_seat_is_granted_at_once_with_the_limits_as_they_are() -> None:
    made = ready(rules=(limit(Metric.RPM, 60),))
    one = ask()
    [granted] = made.acquire(one, T0)
    assert isinstance(granted, Granted)
    assert (granted.ticket, granted.lane, granted.serial, granted.waited) == (one.ticket, 1, 1, 0)
    assert [(reading.metric, reading.limit) for reading in granted.readings] == [(Metric.RPM, 60)]
    assert made.has(one.ticket, 1)
    assert not made.waits(one.ticket)


def test_who_finds_no_seat_is_told_where_it_stands_and_gets_the_next_one() -> None:
    made = ready(lane(seats=1))
    one, two = ask(), ask()
    made.acquire(one, T0)
    [standing] = made.acquire(two, T0)
    assert isinstance(standing, Standing)
    assert made.waits(two.ticket)
    assert made.standing(two.ticket) is not None
    [granted] = made.end(one.ticket, Spent(100, 0, 0, 10), OK, at(2))
    assert isinstance(granted, Granted)
    assert (granted.ticket, granted.waited) == (two.ticket, 2 * SECOND)
    assert made.standing(two.ticket) is None


def test_what_was_waited_elsewhere_counts() -> None:
    made = ready()
    [granted] = made.acquire(ask(waited=5 * SECOND), T0)
    assert isinstance(granted, Granted)
    assert granted.waited == 5 * SECOND


def test_an_ask_that_comes_twice_is_one_call() -> None:
    made = ready(lane(seats=1))
    one = ask()
    made.acquire(one, T0)
    assert made.acquire(one, T0) == []
    made.end(one.ticket, NOTHING, OK, T0)
    assert len(made) == 0


def test_a_limit_that_is_reached_refuses_and_says_which() -> None:
    made = ready(rules=(limit(Metric.RPM, 60, burst=1),))
    made.acquire(ask(tier=Tier.ENTERPRISE), T0)
    [refused] = made.acquire(ask(tier=Tier.ENTERPRISE), T0)
    assert isinstance(refused, Refused)
    assert (refused.why, refused.scope, refused.metric, refused.limit) == ("limit", "organization", "rpm", 60)
    assert refused.retry_after == SECOND
    assert len(made) == 1


def test_a_call_that_is_larger_than_its_limit_can_never_pass() -> None:
    made = ready(rules=(limit(Metric.ITPM, 60, burst=1),))
    [refused] = made.acquire(ask(input=1000), T0)
    assert isinstance(refused, Refused)
    assert refused.retry_after is None


def test_flex_waits_for_a_rate_and_then_for_a_seat() -> None:
    """Kept back by its limit until the second is over; the seat it then wants is taken, so it stands in the queue."""
    made = ready(lane(seats=1), rules=(limit(Metric.RPM, 60, burst=1),))
    one, two = ask(), ask()
    made.acquire(one, T0)
    [standing] = made.acquire(two, T0)
    assert isinstance(standing, Standing)
    assert standing.wait == SECOND
    assert made.next_wake == at(1)
    assert made.wake(at(0.5)) == []
    assert made.wake(at(1)) == []
    [granted] = made.end(one.ticket, NOTHING, OK, at(3))
    assert isinstance(granted, Granted)
    assert (granted.ticket, granted.waited) == (two.ticket, 3 * SECOND)


def test_a_call_waits_for_its_organizations_own_to_end() -> None:
    rules = (limit(Metric.IN_FLIGHT, 1), limit(Metric.QUEUED, 5))
    made = ready(lane(seats=5), rules=rules)
    one, two = ask(), ask()
    made.acquire(one, T0)
    [standing] = made.acquire(two, T0)
    assert isinstance(standing, Standing)
    assert made.standing(two.ticket) is not None
    [granted] = made.end(one.ticket, NOTHING, OK, at(1))
    assert isinstance(granted, Granted)
    assert granted.ticket == two.ticket


def test_a_call_that_waited_for_its_own_in_vain_is_refused_and_counts_for_nothing() -> None:
    rules = (limit(Metric.IN_FLIGHT, 1), limit(Metric.QUEUED, 1))
    made = ready(lane(seats=5), rules=rules)
    one, two = ask(), ask(max_wait=2 * SECOND)
    made.acquire(one, T0)
    made.acquire(two, T0)
    assert made.next_wake == at(2)
    [refused] = made.wake(at(2))
    assert isinstance(refused, Refused)
    assert (refused.ticket, refused.why, refused.metric) == (two.ticket, "limit", "in_flight")
    [standing] = made.acquire(ask(), at(2))
    assert isinstance(standing, Standing)


def test_who_leaves_while_waiting_gives_everything_back() -> None:
    rules = (limit(Metric.IN_FLIGHT, 2), limit(Metric.RPM, 120, burst=1), limit(Metric.QUEUED, 5))
    made = ready(lane(seats=1), rules=rules)
    one, two, three = ask(), ask(), ask()
    made.acquire(one, T0)
    made.acquire(two, T0)
    made.acquire(three, T0)
    made.end(three.ticket, NOTHING, ABANDONED, T0)
    made.end(two.ticket, NOTHING, ABANDONED, T0)
    made.end(one.ticket, NOTHING, OK, T0)
    assert len(made) == 0
    [granted] = made.acquire(ask(), T0)
    assert isinstance(granted, Granted)
    assert made.wake(at(60)) == []


def test_an_attempt_that_failed_is_made_at_another_lane() -> None:
    made = ready(lane(1), lane(2))
    one = ask(lanes=(1, 2))
    [first] = made.acquire(one, T0)
    assert isinstance(first, Granted)
    [second] = made.elsewhere(one.ticket, first.serial, FAILED, at(1))
    assert isinstance(second, Granted)
    assert (second.lane, second.serial) == (3 - first.lane, 2)
    assert made.elsewhere(one.ticket, first.serial, FAILED, at(1)) == [], "news of a seat that it has no more"
    [refused] = made.elsewhere(one.ticket, second.serial, FAILED, at(1))
    assert isinstance(refused, Refused)
    assert refused.why in {Why.NO_LANE, Why.RETRIES_SPENT}
    assert len(made) == 0


def test_a_seat_may_be_taken_away_until_it_has_begun() -> None:
    """Enterprise comes to a lane of ours that Test has filled."""
    made = ready(lane(seats=2, own=True))
    tests = [ask(tier=Tier.TEST, org=2), ask(tier=Tier.TEST, org=3)]
    for each in tests:
        [granted] = made.acquire(each, T0)
        assert isinstance(granted, Granted)
        assert granted.preemptible
    made.begin(tests[0].ticket, 1, T0)
    answers = made.acquire(ask(tier=Tier.ENTERPRISE), at(1))
    assert [type(answer) for answer in answers] == [Preempted, Granted]
    assert answers[0].ticket == tests[1].ticket
    assert not made.has(tests[1].ticket, 1)
    assert made.begin(tests[1].ticket, 1, at(1)) == []
    assert made.waits(tests[1].ticket)


def test_a_claimed_seat_counts_even_beyond_what_there_is() -> None:
    made = ready(lane(seats=1))
    one, two = ask(), ask()
    assert made.reclaim(one, 1, 4, begun=True, now=T0) == []
    assert made.reclaim(two, 1, 1, begun=False, now=T0) == []
    assert made.has(one.ticket, 4)
    three = ask()
    made.acquire(three, T0)
    assert made.waits(three.ticket)
    made.end(one.ticket, NOTHING, OK, at(1))
    assert made.waits(three.ticket)
    [granted] = made.end(two.ticket, NOTHING, OK, at(1))
    assert isinstance(granted, Granted)


def test_what_a_lost_worker_had_is_free_again_and_counts_as_it_was_estimated() -> None:
    made = ready(lane(seats=1), rules=(limit(Metric.ITPM, 60_000),))
    one, two = ask(input=600), ask(input=0)
    made.acquire(one, T0)
    made.acquire(two, T0)
    [granted] = made.forfeit(one.ticket, T0)
    assert isinstance(granted, Granted)
    assert made.forfeit(two.ticket, T0) == []
    assert made.forfeit(two.ticket, T0) == []
    [seen] = made.look(Look(1, 1, Tier.FLEX, (1,)), T0)
    assert {row.reading.metric: row.reading.used for row in seen.limits} == {Metric.ITPM: 600}


def test_tokens_are_put_right_at_the_end() -> None:
    made = ready(rules=(limit(Metric.ITPM, 60_000), limit(Metric.OTPM, 60_000)))
    one = ask(input=600, output=500)
    made.acquire(one, T0)
    made.end(one.ticket, Spent(fresh=100, cached=7_000, written=20, output=900), OK, T0)
    [seen] = made.look(Look(1, 1, Tier.FLEX, (1,)), T0)
    assert {row.reading.metric: row.reading.used for row in seen.limits} == {Metric.ITPM: 120, Metric.OTPM: 900}


def test_only_a_newer_configuration_counts() -> None:
    made = ready(lane(seats=1))
    one, two = ask(), ask()
    made.acquire(one, T0)
    made.acquire(two, T0)
    assert made.configure(configuration(lane(seats=2), revision=1), T0) == []
    [granted] = made.configure(configuration(lane(seats=2), revision=2), T0)
    assert isinstance(granted, Granted)
    assert made.revision == 2


def test_nothing_is_due_where_nothing_waits() -> None:
    made = ready()
    one = ask()
    made.acquire(one, T0)
    made.end(one.ticket, NOTHING, OK, T0)
    due = made.next_wake
    while due is not None and due < at(3600):
        assert made.wake(due) == []
        assert made.next_wake is None or made.next_wake > due, "it would be woken for ever"
        due = made.next_wake
    assert made.pools()[0].used[Tier.FLEX] == 0
