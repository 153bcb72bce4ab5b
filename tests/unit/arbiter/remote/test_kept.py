"""What was used of limits outlives an arbiter that is killed between any two notes."""

from asking import configuration, lane
from rulebook import claim

from puyun.arbiter.message import Configuration
from puyun.arbiter.remote import kept, memory
from puyun.arbiter.remote.kept import KeptLimits
from puyun.arbiter.remote.memory import Memory
from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.limits.passed import Passed
from puyun.limits.policy import Policy
from puyun.limits.reading import Over
from puyun.limits.rule import Metric, Rule, Scope

T0 = Instant(1_000_000_000_000_000)
RULES = (
    Rule(scope=Scope.ORGANIZATION, org=1, metric=Metric.RPM, amount=60, burst=5, id=8),
    Rule(scope=Scope.ORGANIZATION, org=1, metric=Metric.ITPM, amount=60_000, burst=60, id=9),
)


def asks(ticket: int, tokens: int = 100) -> Claim:
    return claim(ticket, 1, 1, 1, Tier.ENTERPRISE, tokens, 10)


class Line:
    """One arbiter after another, on the same memory."""

    def __init__(self) -> None:
        self.descriptor = memory.create()
        self.epoch = 0

    def next(self, now: Instant = T0, told: Configuration | None = None) -> KeptLimits:
        self.epoch += 1
        place = Memory(self.descriptor)
        limits = KeptLimits(place, self.epoch)
        limits.recall(place.load(), now)
        if told is not None:
            limits.configure(Policy(told.rules, told.models, revision=told.revision), now)
            limits.follow(told, now)
        return limits


def first(line: Line) -> KeptLimits:
    return line.next(told=configuration(lane(), rules=RULES))


def used(limits: KeptLimits, now: Instant = T0) -> dict[str, int]:
    return {row.reading.metric.value: row.reading.used for row in limits.view(1, 1, 1, Tier.ENTERPRISE, now)}


def test_nobody_gets_a_second_burst() -> None:
    line = Line()
    one = first(line)
    for ticket in range(5):
        assert isinstance(one.check(asks(ticket), T0), Passed)
        one.flush(T0)
    two = line.next()
    assert used(two)["rpm"] == 5
    assert isinstance(two.check(asks(9), T0), Over)
    assert isinstance(two.check(asks(9), Instant(T0 + SECOND)), Passed)


def test_what_was_not_flushed_was_not_answered() -> None:
    line = Line()
    one = first(line)
    one.check(asks(1), T0)
    assert used(line.next())["rpm"] == 0


def test_corrections_count_across_saves_and_deaths() -> None:
    """A call that was let in before a state was saved and ended after it, and one that was refunded whole."""
    line = Line()
    one = first(line)
    one.check(asks(1, 600), T0)
    one.check(asks(2, 600), T0)
    one.save(T0)
    one.correct(1, 100, 5, T0)
    one.release(1, T0)
    one.void(2, T0)
    one.flush(T0)
    before = used(one)
    assert (before["rpm"], before["itpm"]) == (1, 100)
    assert used(line.next()) == before
    assert used(line.next()) == before


def test_a_call_in_flight_is_claimed_and_put_right_at_its_end() -> None:
    line = Line()
    one = first(line)
    one.check(asks(1, 600), T0)
    one.flush(T0)
    two = line.next()
    two.reclaim(asks(1, 600), T0)
    assert used(two)["itpm"] == 600
    two.correct(1, 150, 5, T0)
    two.release(1, T0)
    two.flush(T0)
    assert used(two)["itpm"] == used(line.next())["itpm"] == 150


def test_a_call_that_had_waited_asks_anew_and_counts_once() -> None:
    line = Line()
    one = first(line)
    one.check(asks(1, 600), T0)
    one.flush(T0)
    two = line.next()
    assert isinstance(two.check(asks(1, 600), T0), Passed)
    two.flush(T0)
    assert used(two)["rpm"] == used(line.next())["rpm"] == 1
    assert used(two)["itpm"] == 600


def test_a_call_that_a_worker_let_in_by_itself_counts_once() -> None:
    """One that the arbiter before had never heard of, and one that had waited there."""
    line = Line()
    one = first(line)
    one.check(asks(1, 600), T0)
    one.flush(T0)
    two = line.next()
    two.reclaim(asks(1, 600), T0, counted=False)
    two.reclaim(asks(2, 400), T0, counted=False)
    assert (used(two)["rpm"], used(two)["itpm"]) == (2, 1_000)
    two.correct(2, 50, 5, T0)
    two.release(2, T0)
    two.flush(T0)
    assert used(two)["itpm"] == used(line.next())["itpm"] == 650


def test_rules_are_known_before_workers_bring_them() -> None:
    line = Line()
    first(line)
    assert set(used(line.next())) >= {"rpm", "itpm"}
    assert [row.rule.amount for row in line.next().view(1, 1, 1, Tier.ENTERPRISE, T0)][:2] == [60, 60_000]


def test_a_state_is_saved_now_and_then() -> None:
    line = Line()
    one = first(line)
    for ticket in range(100):
        now = Instant(T0 + ticket * SECOND)
        one.check(asks(ticket), now)
        one.release(ticket, now)
        one.flush(now)
    assert one._memory.logged < 1000
    later = Instant(T0 + 99 * SECOND)
    assert used(line.next(later), later) == used(one, later)
    assert one._memory.logged < kept.LOG_MAX
