"""The virtual clock: events in order of time, a policy that decides on each, and a log of what came of every call."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

from puyun.catalog.model import TIERS
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.attempt import ABANDONED, OK, Signal, SignalKind, Spent
from puyun.scheduler.decision import Decision, Grant, Refusal
from puyun.scheduler.rules import DEFAULTS
from puyun.sim.policies.choice import lane_specs
from puyun.sim.policies.face import Policy
from puyun.sim.scenario import Scenario
from puyun.sim.tiers.arrivals import calls
from puyun.sim.tiers.call import Call, Ended, cost
from puyun.sim.tiers.clients import Clients
from puyun.sim.tiers.upstream import REFUSING, Behaviour
from puyun.sim.tiers.watch import Watch

ABORTING = 20_000
"""Microseconds until an engine has let go of a call that was taken back."""

PROGRESS = SECOND
"""How often the scheduler hears of a stream."""

WAKES_MAX = 1_000
"""A policy that wants to be woken more often than this at one moment never sleeps."""

_COME, _AGAIN, _FIRST, _GROWN, _LAST, _REFUSED, _TIRED, _FREE = range(8)
MODEL = 1
LEFT = "left"
"""Why a call got nothing whose client went away."""

MAX_WAIT = {tier: DEFAULTS.of(tier).max_wait for tier in TIERS}


class SimulationError(Exception):
    """The policy did something that no gateway could follow."""


@dataclass(slots=True)
class Log:
    """What came of it. `calls` are those that were served or lost, `refused` only counts."""

    scenario: Scenario
    calls: list[Call] = field(default_factory=list[Call])
    refused: Counter[tuple[int, int, str]] = field(default_factory=Counter[tuple[int, int, str]])
    """(source, organization, why) of calls that came after the warm-up."""
    came: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    """(source, organization), the same."""
    lanes: dict[int, Behaviour] = field(default_factory=dict[int, Behaviour])
    events: int = 0
    decisions: int = 0
    preempted: int = 0
    wasted: int = 0
    """Microseconds of seats spent on what was taken back."""
    violations: int = 0
    examples: list[str] = field(default_factory=list[str])


def run(scenario: Scenario, policy: Policy, seed: int, watch: Watch | None = None) -> Log:
    """Raises SimulationError when the policy contradicts itself."""
    simulation = Simulation(scenario, policy, seed, watch)
    simulation.run()
    return simulation.log


class Simulation:
    """One scenario under one policy."""

    def __init__(self, scenario: Scenario, policy: Policy, seed: int, watch: Watch | None) -> None:
        self.log = Log(scenario)
        self._scenario = scenario
        self._policy = policy
        self._watch = watch
        self._clients = Clients(seed)
        self._events: list[tuple[int, int, int, Call, int]] = []
        self._order = 0
        self._open: dict[int, Call] = {}
        self._lanes = self.log.lanes = {each.id: Behaviour(each) for each in scenario.upstreams}
        self._ids = tuple(self._lanes)
        self._sources = [
            calls(source, place, seats=scenario.seats, seed=seed, until=scenario.until)
            for place, source in enumerate(scenario.sources)
        ]
        self._woken = (0, 0)

    def run(self) -> None:
        policy, events, watch = self._policy, self._events, self._watch
        does = (self._come, self._again, self._first, self._grown, self._last, self._refused, self._tired)
        self._decided(policy.configure(lane_specs(self._scenario), Instant(0)), 0)
        for source in self._sources:
            self._draw(source)
        while True:
            wake = policy.next_wake
            if events and (wake is None or events[0][0] < wake):
                now, _, kind, call, attempt = heappop(events)
                if kind == _FREE:
                    self._lanes[attempt].free()
                elif kind < _FIRST or attempt == call.attempt:
                    does[kind](now, call)
            elif wake is not None and (events or self._open):
                now = wake
                self._wake(now)
            else:
                break
            self.log.events += 1
            if watch is not None:
                watch.look(now)
        self._close()

    def _draw(self, source: Iterator[Call]) -> None:
        call = next(source, None)
        if call is not None:
            self._at(call.arrived, _COME, call, 0)

    def _at(self, now: int, kind: int, call: Call, attempt: int) -> None:
        self._order += 1
        heappush(self._events, (now, self._order, kind, call, attempt))

    # --- what happens --------------------------------------------------------------------------------------------
    def _come(self, now: int, call: Call) -> None:
        self._draw(self._sources[call.source])
        if call.arrived >= self._scenario.warm:
            self.log.came[call.source, call.org] += 1
        self._again(now, call)

    def _again(self, now: int, call: Call) -> None:
        """The client asks, for the first time or once more."""
        source = self._scenario.sources[call.source]
        call.asked, call.outcome = now, Ended.OPEN
        call.attempt += 1
        call.ticket = call.tries << 60 | call.source << 40 | call.number
        self._open[call.ticket] = call
        if source.patience is not None:
            self._at(now + source.patience, _TIRED, call, call.attempt)
        claim = Claim(
            ticket=call.ticket,
            org=call.org,
            key=call.key,
            tier=call.tier,
            model=MODEL,
            lanes=source.lanes or self._ids,
            input=call.input,
            output=self._clients.expected(call),
            stream=call.stream,
            max_wait=MAX_WAIT[call.tier],
        )
        if self._watch is not None:
            self._watch.waits(call)
        self._decided(self._policy.arrive(claim, Instant(now)), now)

    def _first(self, now: int, call: Call) -> None:
        call.first = now
        if now + PROGRESS < call.ended:
            self._at(now + PROGRESS, _GROWN, call, call.attempt)
        self._decided(self._policy.begin(call.ticket, Instant(now)), now)

    def _grown(self, now: int, call: Call) -> None:
        if now + PROGRESS < call.ended:
            self._at(now + PROGRESS, _GROWN, call, call.attempt)
        self._decided(self._policy.progress(call.ticket, call.produced(now), Instant(now)), now)

    def _last(self, now: int, call: Call) -> None:
        self._free(call)
        del self._open[call.ticket]
        call.outcome = Ended.SERVED
        call.cost = cost(call.input, call.output)
        self.log.calls.append(call)
        self._clients.saw(call)
        self._decided(self._policy.end(call.ticket, Spent(call.input, 0, 0, call.output), OK, Instant(now)), now)

    def _refused(self, now: int, call: Call) -> None:
        """A lane's 429 arrives."""
        retry_after = self._lanes[call.lane].described.retry_after
        call.failed = (*call.failed, call.lane)
        self._stands_again(call, now)
        signal = Signal(SignalKind.OVERLOADED, retry_after)
        self._decided(self._policy.elsewhere(call.ticket, signal, Instant(now)), now)

    def _tired(self, now: int, call: Call) -> None:
        if call.outcome is not Ended.OPEN or call.first:
            return
        del self._open[call.ticket]
        call.attempt += 1
        call.outcome = Ended.LEFT
        if call.arrived >= self._scenario.warm:
            self.log.refused[call.source, call.org, LEFT] += 1
        if call.lane:
            self._free(call)
            self._decided(self._policy.end(call.ticket, Spent(call.input), ABANDONED, Instant(now)), now)
        else:
            if self._watch is not None:
                self._watch.gone(call)
            self._decided(self._policy.cancel(call.ticket, Instant(now)), now)

    def _wake(self, now: int) -> None:
        self._woken = (now, self._woken[1] + 1) if self._woken[0] == now else (now, 1)
        if self._woken[1] > WAKES_MAX:
            raise SimulationError(f"at {now} the policy wants to be woken again and again")
        self._decided(self._policy.wake(Instant(now)), now)

    # --- what the policy says -------------------------------------------------------------------------------------
    def _decided(self, decisions: Iterable[Decision], now: int) -> None:
        for decision in decisions:
            self.log.decisions += 1
            call = self._open.get(decision.ticket)
            if call is None:
                raise SimulationError(f"at {now} a decision on a call that is over: {decision}")
            if type(decision) is Grant:
                self._granted(call, decision, now)
            elif type(decision) is Refusal:
                self._turned_away(call, decision, now)
            else:
                self._preempted(call, now)

    def _granted(self, call: Call, grant: Grant, now: int) -> None:
        if call.lane:
            raise SimulationError(f"at {now} a seat for a call that has one: {grant}")
        call.granted, call.lane, call.pool = now, grant.lane, grant.pool
        call.attempt += 1
        if self._watch is not None:
            self._watch.granted(call, MAX_WAIT[call.tier])
        taken = self._lanes[grant.lane].take(now, call.output)
        if taken is None:
            self._at(now + REFUSING, _REFUSED, call, call.attempt)
            return
        call.ended = now + taken[1]
        if call.stream:
            self._at(now + taken[0], _FIRST, call, call.attempt)
        self._at(call.ended, _LAST, call, call.attempt)

    def _turned_away(self, call: Call, refusal: Refusal, now: int) -> None:
        if call.lane:
            raise SimulationError(f"at {now} a refusal of a call that has a seat: {refusal}")
        del self._open[call.ticket]
        call.attempt += 1
        call.outcome = Ended.REFUSED
        if self._watch is not None:
            self._watch.gone(call)
        source = self._scenario.sources[call.source]
        if call.tries < source.retries:
            call.tries += 1
            self._at(now + self._clients.pause(source, call, refusal.retry_after), _AGAIN, call, 0)
        elif call.arrived >= self._scenario.warm:
            self.log.refused[call.source, call.org, str(refusal.why)] += 1

    def _preempted(self, call: Call, now: int) -> None:
        if not call.lane or call.first:
            raise SimulationError(f"at {now} a seat taken back that was not there, or too late: {call.ticket}")
        self.log.preempted += 1
        self.log.wasted += now - call.granted
        call.attempt += 1
        if call.ended:
            self._at(now + ABORTING, _FREE, call, call.lane)
        if self._watch is not None:
            self._watch.wasted(call.lane, now - call.granted, now)
        self._stands_again(call, now)

    def _stands_again(self, call: Call, now: int) -> None:
        call.held += now - call.granted
        call.again = True
        if self._watch is not None:
            self._watch.freed(call.lane)
            self._watch.waits(call)
        call.lane = call.granted = call.ended = 0

    def _free(self, call: Call) -> None:
        if call.ended:
            self._lanes[call.lane].free()
        if self._watch is not None:
            self._watch.freed(call.lane)

    def _close(self) -> None:
        if self._watch is not None:
            self.log.violations, self.log.examples = self._watch.violations, self._watch.examples
        if self._open:
            first = next(iter(self._open.values()))
            raise SimulationError(f"{len(self._open)} calls never got an answer, such as one of {first.arrived}")
        if any(lane.busy for lane in self._lanes.values()):
            raise SimulationError("seats stay taken when all calls are over")
