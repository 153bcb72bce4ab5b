"""Who decides whom to serve next: the shipped scheduler, and what is usual elsewhere, behind one face.

The others know tiers at most by their order, organizations not at all, and take all seats as one pool. They are given what
any gateway has: deadlines, retries on another lane, a lane that pauses when it said 429.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Protocol

from msgspec.structs import replace

from puyun.catalog.model import TIERS
from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.claim import Claim, Signal, SignalKind, Spent
from puyun.scheduler.decision import Decision, Grant, Refusal, Why
from puyun.scheduler.lane import LaneSpec
from puyun.scheduler.rules import Rules
from puyun.scheduler.scheduler import Scheduler
from puyun.sim.tiers.scenario import Scenario

RETRIES = 2
PAUSE = SECOND


class Policy(Protocol):
    """The scheduler's own face, as far as a gateway needs it."""

    @property
    def next_wake(self) -> Instant | None: ...
    def configure(self, lanes: Mapping[int, LaneSpec], now: Instant, /) -> list[Decision]: ...
    def arrive(self, claim: Claim, now: Instant, /) -> list[Decision]: ...
    def cancel(self, ticket: int, now: Instant, /) -> list[Decision]: ...
    def begin(self, ticket: int, now: Instant, /) -> list[Decision]: ...
    def progress(self, ticket: int, output: int, now: Instant, /) -> list[Decision]: ...
    def elsewhere(self, ticket: int, signal: Signal, now: Instant, /) -> list[Decision]: ...
    def end(self, ticket: int, spent: Spent, signal: Signal, now: Instant, /) -> list[Decision]: ...
    def wake(self, now: Instant, /) -> list[Decision]: ...


class Queue:
    """Whoever came first of the first tier that waits; `tiers` False: whoever came first."""

    def __init__(self, *, tiers: bool) -> None:
        self._rank = {tier: tier_rank if tiers else 0 for tier_rank, tier in enumerate(reversed(TIERS))}
        self._lines: list[deque[Claim]] = [deque() for _ in TIERS]
        self._waiting: dict[int, Claim] = {}
        self._deadlines: list[tuple[int, int]] = []
        self._seats: dict[int, int] = {}
        self._pools: dict[int, str] = {}
        self._busy: dict[int, int] = {}
        self._paused: dict[int, int] = {}
        self._running: dict[int, tuple[Claim, int]] = {}
        self._tried: dict[int, set[int]] = {}

    @property
    def next_wake(self) -> Instant | None:
        while self._deadlines and self._deadlines[0][1] not in self._waiting:
            heappop(self._deadlines)
        paused = list(self._paused.values()) if self._waiting and self._paused else []
        return Instant(min([*paused, *[at for at, _ in self._deadlines[:1]]], default=0)) or None

    def configure(self, lanes: Mapping[int, LaneSpec], _now: Instant) -> list[Decision]:
        self._seats = {number: lane.seats for number, lane in lanes.items()}
        self._pools = {number: lane.pool for number, lane in lanes.items()}
        self._busy = dict.fromkeys(lanes, 0)
        return []

    def arrive(self, claim: Claim, now: Instant) -> list[Decision]:
        self._waiting[claim.ticket] = claim
        self._lines[self._rank[claim.tier]].append(claim)
        heappush(self._deadlines, (now + claim.max_wait, claim.ticket))
        return self._serve(now)

    def cancel(self, ticket: int, _now: Instant) -> list[Decision]:
        self._waiting.pop(ticket, None)
        return []

    def begin(self, _ticket: int, _now: Instant) -> list[Decision]:
        return []

    def progress(self, _ticket: int, _output: int, _now: Instant) -> list[Decision]:
        return []

    def elsewhere(self, ticket: int, signal: Signal, now: Instant) -> list[Decision]:
        claim, lane = self._leave(ticket)
        if signal.kind is SignalKind.OVERLOADED:
            self._paused[lane] = now + (signal.retry_after or PAUSE)
        tried = self._tried.setdefault(ticket, set())
        tried.add(lane)
        if len(tried) > RETRIES or tried >= set(self._seats):
            del self._tried[ticket]
            return [Refusal(ticket, Why.RETRIES_SPENT, SECOND), *self._serve(now)]
        self._waiting[ticket] = claim
        self._lines[self._rank[claim.tier]].appendleft(claim)
        heappush(self._deadlines, (claim.arrived + claim.max_wait, ticket))
        return self._serve(now)

    def end(self, ticket: int, _spent: Spent, _signal: Signal, now: Instant) -> list[Decision]:
        self._leave(ticket)
        self._tried.pop(ticket, None)
        return self._serve(now)

    def wake(self, now: Instant) -> list[Decision]:
        self._paused = {lane: until for lane, until in self._paused.items() if until > now}
        found: list[Decision] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            ticket = heappop(self._deadlines)[1]
            if self._waiting.pop(ticket, None) is not None:
                self._tried.pop(ticket, None)
                found.append(Refusal(ticket, Why.EXPIRED, SECOND))
        return found + self._serve(now)

    def _serve(self, now: Instant) -> list[Decision]:
        found: list[Decision] = []
        for line in self._lines:
            while line:
                claim = line[0]
                if claim.ticket not in self._waiting:
                    line.popleft()
                    continue
                lane = self._lane(claim)
                if lane is None:
                    break
                line.popleft()
                del self._waiting[claim.ticket]
                self._busy[lane] += 1
                self._running[claim.ticket] = claim, lane
                found.append(
                    Grant(claim.ticket, lane, self._pools[lane], waited=now - claim.arrived, preemptible=False)
                )
        return found

    def _lane(self, claim: Claim) -> int | None:
        """The one with the smallest part of its seats taken."""
        tried = self._tried.get(claim.ticket, ())
        free = [
            lane
            for lane, seats in self._seats.items()
            if self._busy[lane] < seats and lane not in self._paused and lane not in tried
        ]
        return min(free, key=lambda lane: self._busy[lane] * 1_000 // self._seats[lane], default=None)

    def _leave(self, ticket: int) -> tuple[Claim, int]:
        claim, lane = self._running.pop(ticket)
        self._busy[lane] -= 1
        return claim, lane


class Split:
    """As many policies as there are workers: each has its part of the seats and sees its part of the calls."""

    def __init__(self, workers: Sequence[Policy]) -> None:
        self._workers = workers

    @property
    def next_wake(self) -> Instant | None:
        return min((wake for each in self._workers if (wake := each.next_wake) is not None), default=None)

    def configure(self, lanes: Mapping[int, LaneSpec], now: Instant) -> list[Decision]:
        count = len(self._workers)
        for number, worker in enumerate(self._workers):
            part = {lane: _part(spec, number, count) for lane, spec in lanes.items()}
            worker.configure({lane: spec for lane, spec in part.items() if spec.seats > 0}, now)
        return []

    def arrive(self, claim: Claim, now: Instant) -> list[Decision]:
        return self._of(claim.ticket).arrive(claim, now)

    def cancel(self, ticket: int, now: Instant) -> list[Decision]:
        return self._of(ticket).cancel(ticket, now)

    def begin(self, ticket: int, now: Instant) -> list[Decision]:
        return self._of(ticket).begin(ticket, now)

    def progress(self, ticket: int, output: int, now: Instant) -> list[Decision]:
        return self._of(ticket).progress(ticket, output, now)

    def elsewhere(self, ticket: int, signal: Signal, now: Instant) -> list[Decision]:
        return self._of(ticket).elsewhere(ticket, signal, now)

    def end(self, ticket: int, spent: Spent, signal: Signal, now: Instant) -> list[Decision]:
        return self._of(ticket).end(ticket, spent, signal, now)

    def wake(self, now: Instant) -> list[Decision]:
        due = [each for each in self._workers if each.next_wake is not None and each.next_wake <= now]
        return [decision for each in due for decision in each.wake(now)]

    def _of(self, ticket: int) -> Policy:
        return self._workers[ticket % len(self._workers)]


def _part(spec: LaneSpec, number: int, count: int) -> LaneSpec:
    """The `number`th worker's: seats and rates come to the whole."""

    def part(amount: int) -> int:
        return (amount + count - 1 - number) // count

    rates = {name: part(rate) for name in ("rpm", "itpm", "otpm") if (rate := getattr(spec, name)) is not None}
    return replace(spec, seats=part(spec.seats), **rates)


def lane_specs(scenario: Scenario) -> dict[int, LaneSpec]:
    """What the catalogue says of the scenario's lanes."""
    return {
        each.id: LaneSpec(
            id=each.id,
            pool=each.pool,
            owner=each.owner,
            seats=each.seats,
            rpm=each.rpm,
            itpm=each.itpm,
            otpm=each.otpm,
            own=each.own,
            lend=scenario.lending and each.own and each.owner is not None,
        )
        for each in scenario.upstreams
    }


def _scheduler(scenario: Scenario) -> Scheduler:
    return Scheduler(Rules(weights=scenario.weights))


POLICIES: Mapping[str, Callable[[Scenario], Policy]] = {
    "puyun": _scheduler,
    "split": lambda scenario: Split([_scheduler(scenario) for _ in range(scenario.workers)]),
    "priority": lambda _: Queue(tiers=True),
    "fifo": lambda _: Queue(tiers=False),
}
"""`puyun`: the shipped scheduler. `split`: the same, each worker with its part of the seats. `priority`: the first tier that
waits, first come first served. `fifo`: first come first served."""

POOLED = {"priority", "fifo"}
