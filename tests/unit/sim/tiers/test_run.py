"""The virtual clock with policies that are known: theory holds, every call gets an answer, contradictions are found."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import MINUTE, SECOND, Instant
from puyun.planning.erlang import seats_for
from puyun.scheduler.attempt import Signal, Spent
from puyun.scheduler.decision import Decision, Grant, Preempted, Refusal, Why
from puyun.sim.policies.face import Policy
from puyun.sim.policies.ordered import Queue
from puyun.sim.scenario import Recorded, Scenario, Source, Upstream
from puyun.sim.tiers.call import Ended
from puyun.sim.tiers.figures import Figures, figures
from puyun.sim.tiers.run import ABORTING, MAX_WAIT, Log, SimulationError, run
from puyun.sim.tiers.scenarios import FLEX, SCENARIOS
from puyun.sim.tiers.watch import Watch
from puyun.sim.trace import Arrival

ONE_LANE = Scenario(
    name="one-lane",
    about="",
    upstreams=(Upstream(id=1, seats=4),),
    sources=(Source(name="flex", tier=Tier.FLEX, orgs=(1, 2), load=1.5),),
    until=MINUTE,
    warm=0,
)


def small(name: str, until: int = 25 * SECOND) -> Scenario:
    """Cut short; what changes in the middle of it is left out."""
    return replace(SCENARIOS[name], until=min(SCENARIOS[name].until, until), warm=min(SCENARIOS[name].warm, until // 4))


def ran(scenario: Scenario, policy: Policy, seed: int = 1) -> tuple[Log, Figures]:
    log = run(scenario, policy, seed, Watch(scenario, pooled=True))
    return log, figures(log, "p", seed)


def answers(log: Log) -> int:
    return len(log.calls) + sum(log.refused.values())


@pytest.mark.parametrize("tiers", [True, False])
@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - {"test-100"}))
def test_every_call_of_every_scenario_gets_an_answer(name: str, tiers: bool) -> None:
    scenario = replace(small(name), warm=0)
    log, found = ran(scenario, Queue(tiers=tiers))
    assert answers(log) == sum(log.came.values()) > 0
    assert found.violations == 0, found.examples
    assert all(call.outcome is Ended.SERVED for call in log.calls)
    assert all(call.asked <= call.granted < call.ended for call in log.calls)
    assert all(call.granted - call.asked <= MAX_WAIT[call.tier] for call in log.calls)


def test_the_same_seed_gives_the_same_log() -> None:
    first, again, other = (ran(small("burst"), Queue(tiers=True), seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert replace(other, seed=1) != first


def test_a_planned_pool_keeps_its_promise() -> None:
    """Erlang's formula and the simulator know nothing of each other; its seat times are not quite exponential."""
    seats = seats_for(8, mean=4_600_000, wait=250_000, part=0.99)
    source = Source(name="contract", tier=Tier.ENTERPRISE, orgs=(1,), load=8 / seats)
    scenario = replace(ONE_LANE, upstreams=(Upstream(id=1, seats=seats),), sources=(source,), until=90 * MINUTE)
    for seats_less, least, most in ((0, 0.004, 0.012), (2, 0.02, 0.06)):
        lane = Upstream(id=1, seats=seats - seats_less)
        fewer = replace(scenario, upstreams=(lane,), sources=(replace(source, load=8 / lane.seats),))
        log, _ = ran(fewer, Queue(tiers=True))
        late = sum(call.granted - call.asked > 250_000 for call in log.calls) / len(log.calls)
        assert least < late < most


def test_first_come_first_served_lets_a_flood_starve_the_others() -> None:
    calm, flood = (
        ran(replace(scenario, sources=scenario.sources[:2]), Queue(tiers=False))[1]
        for scenario in (small("flood-1", 3 * MINUTE), small("flood-20", 3 * MINUTE))
    )
    assert calm.of(Tier.FLEX).done_ppm > 990_000
    loud = dict(flood.of(Tier.FLEX).shares)
    assert loud[FLEX[-1]] > 4 * max(part for org, part in loud.items() if org != FLEX[-1])
    assert flood.of(Tier.FLEX).wait_p50 > 100 * max(calm.of(Tier.FLEX).wait_p50, 20_000)


def test_strict_priority_shuts_the_lowest_tier_out() -> None:
    _, found = ran(small("starving", 3 * MINUTE), Queue(tiers=True))
    assert found.of(Tier.TEST).seats_ppm < 1_000
    assert found.of(Tier.FLEX).done_ppm < 500_000


def test_the_tier_order_alone_keeps_enterprise_from_tests_crowd() -> None:
    _, fifo = ran(small("test-10", 3 * MINUTE), Queue(tiers=False))
    _, priority = ran(small("test-10", 3 * MINUTE), Queue(tiers=True))
    assert fifo.of(Tier.ENTERPRISE).done_ppm == 0
    assert priority.of(Tier.ENTERPRISE).done_ppm == 1_000_000


def test_a_lane_that_refuses_is_left_and_found_again() -> None:
    log, found = ran(SCENARIOS["all-429"], Queue(tiers=True))
    assert found.upstream_refused_ppm > 0
    refused = sorted(when for lane in log.lanes.values() for when in lane.refusals)
    assert refused[0] >= MINUTE
    assert refused[-1] < MINUTE + 30 * SECOND
    assert any(call.granted > MINUTE + 40 * SECOND for call in log.calls)


def test_a_slow_lane_keeps_its_seats_longer() -> None:
    log, _ = ran(SCENARIOS["slow-lane"], Queue(tiers=True))

    def mean(lane: int) -> float:
        times = [
            call.ended - call.granted for call in log.calls if call.lane == lane and MINUTE < call.granted < 2 * MINUTE
        ]
        return sum(times) / len(times)

    assert mean(2) > 3 * mean(1)


def test_clients_leave_and_try_again() -> None:
    source = replace(ONE_LANE.sources[0], tier=Tier.TEST, load=6.0, patience=5 * SECOND)
    log, found = ran(replace(ONE_LANE, sources=(source,)), Queue(tiers=True))
    assert found.of(Tier.TEST).left > 0
    assert all(call.granted - call.asked <= 5 * SECOND for call in log.calls)
    retrying = replace(source, patience=None, tier=Tier.ENTERPRISE, retries=2)
    log, found = ran(replace(ONE_LANE, sources=(retrying,)), Queue(tiers=True))
    assert {call.tries for call in log.calls} == {0, 1, 2}
    assert answers(log) == sum(log.came.values())


class Wrong(Queue):
    """Does one thing wrong at the third call."""

    def __init__(self, wrong: str) -> None:
        super().__init__(tiers=True)
        self._wrong = wrong
        self._count = 0
        self._held: list[Claim] = []

    def arrive(self, claim: Claim, now: Instant) -> list[Decision]:
        self._count += 1
        if self._count != 3:
            return super().arrive(claim, now)
        match self._wrong:
            case "forgets":
                return []
            case "twice":
                return [*super().arrive(claim, now), Grant(claim.ticket, 1, "shared", 0, preemptible=False)]
            case "stranger":
                return [Grant(12345, 1, "shared", 0, preemptible=False)]
            case "takes back":
                return [Preempted(claim.ticket)]
            case "refuses what it gave":
                return [*super().arrive(claim, now), Refusal(claim.ticket, Why.EXPIRED, 1)]
            case _:
                return super().arrive(claim, now)

    @property
    def next_wake(self) -> Instant | None:
        return Instant(SECOND) if self._wrong == "never sleeps" else super().next_wake

    def end(self, ticket: int, spent: Spent, signal: Signal, now: Instant) -> list[Decision]:
        found = super().end(ticket, spent, signal, now)
        if self._wrong == "overbooks":
            self._busy[1] -= 1
        if self._wrong == "idles" and self._count > 20:
            self._seats[1] = 3
        return found


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("forgets", "never got an answer"),
        ("twice", "a seat for a call that has one"),
        ("stranger", "a decision on a call that is over"),
        ("takes back", "a seat taken back that was not there"),
        ("refuses what it gave", "a refusal of a call that has a seat"),
        ("never sleeps", "woken again and again"),
    ],
)
def test_a_policy_that_contradicts_itself_is_found(wrong: str, says: str) -> None:
    with pytest.raises(SimulationError, match=says):
        run(ONE_LANE, Wrong(wrong), 1)


@pytest.mark.parametrize(
    ("wrong", "says"), [("overbooks", "fewer seats than calls"), ("idles", "seats of lane 1 are free")]
)
def test_a_policy_that_miscounts_seats_is_found(wrong: str, says: str) -> None:
    log, _ = ran(ONE_LANE, Wrong(wrong))
    assert log.violations > 0
    assert any(says in example for example in log.examples)


class Takes(Queue):
    """Takes the seat of the oldest Test call back when Enterprise comes, none of them streamed."""

    def arrive(self, claim: Claim, now: Instant) -> list[Decision]:
        found = super().arrive(claim, now)
        running = [ticket for ticket, (other, _) in self._running.items() if other.claim.tier is Tier.TEST]
        if found or claim.tier is not Tier.ENTERPRISE or not running:
            return found
        victim, lane = self._leave(running[0])
        ticket = victim.claim.ticket
        self._waiting[ticket] = victim
        self._lines[self._rank[Tier.TEST]].appendleft(victim)
        self._deadlines.append((victim.arrived + victim.claim.max_wait, ticket))
        self._deadlines.sort()
        assert lane == 1
        return [Preempted(ticket), *self._serve(now)]


FROM_NOUGHT = tuple(Arrival(at * 500, 10, 60 + at % 7) for at in range(100))
"""A recorded trace begins at the very first moment, which is a moment like any other."""


SOON = tuple(Arrival(100 + at * 9_000, 10, 20) for at in range(20))
"""The first comes while the call of the first moment runs."""


def test_a_seat_that_is_taken_back_is_free_when_the_engine_has_let_go() -> None:
    sources: Iterable[Source] = (
        Source(name="e", tier=Tier.ENTERPRISE, orgs=(1,), load=0.2, process=Recorded(SOON)),
        Source(name="t", tier=Tier.TEST, orgs=(2,), load=3.0, stream=0.0, process=Recorded(FROM_NOUGHT)),
    )
    scenario = replace(ONE_LANE, sources=tuple(sources), until=2 * MINUTE)
    log, found = ran(scenario, Takes(tiers=True))
    assert found.preempted > 10
    assert found.wasted_ppm > 0
    assert found.of(Tier.ENTERPRISE).wait_p95 <= ABORTING
    assert found.violations == 0, found.examples
    assert any(call.again for call in log.calls)
    assert any(call.again and call.arrived == 0 for call in log.calls), "the one at the first moment was taken back"
