"""One queue in order of arrival, or one for each tier and the highest first."""

from collections import deque
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import NamedTuple

from puyun.catalog.model import TIERS
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.attempt import Signal, SignalKind, Spent
from puyun.scheduler.decision import Decision, Grant, Refusal, Why
from puyun.scheduler.lane import LaneSpec

RETRIES = 2
PAUSE = SECOND


class _Call(NamedTuple):
    claim: Claim
    arrived: Instant


class Queue:
    """Whoever came first of the first tier that waits; `tiers` False: whoever came first."""

    def __init__(self, *, tiers: bool) -> None:
        self._rank = {tier: tier_rank if tiers else 0 for tier_rank, tier in enumerate(reversed(TIERS))}
        self._lines: list[deque[_Call]] = [deque() for _ in TIERS]
        self._waiting: dict[int, _Call] = {}
        self._deadlines: list[tuple[int, int]] = []
        self._seats: dict[int, int] = {}
        self._pools: dict[int, str] = {}
        self._busy: dict[int, int] = {}
        self._paused: dict[int, int] = {}
        self._running: dict[int, tuple[_Call, int]] = {}
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
        call = self._waiting[claim.ticket] = _Call(claim, now)
        self._lines[self._rank[claim.tier]].append(call)
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
        call, lane = self._leave(ticket)
        if signal.kind is SignalKind.OVERLOADED:
            self._paused[lane] = now + (signal.retry_after or PAUSE)
        tried = self._tried.setdefault(ticket, set())
        tried.add(lane)
        if len(tried) > RETRIES or tried >= set(self._seats):
            del self._tried[ticket]
            return [Refusal(ticket, Why.RETRIES_SPENT, SECOND), *self._serve(now)]
        self._waiting[ticket] = call
        self._lines[self._rank[call.claim.tier]].appendleft(call)
        heappush(self._deadlines, (call.arrived + call.claim.max_wait, ticket))
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
                call = line[0]
                claim = call.claim
                if claim.ticket not in self._waiting:
                    line.popleft()
                    continue
                lane = self._lane(claim)
                if lane is None:
                    break
                line.popleft()
                del self._waiting[claim.ticket]
                self._busy[lane] += 1
                self._running[claim.ticket] = call, lane
                found.append(Grant(claim.ticket, lane, self._pools[lane], waited=now - call.arrived, preemptible=False))
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

    def _leave(self, ticket: int) -> tuple[_Call, int]:
        call, lane = self._running.pop(ticket)
        self._busy[lane] -= 1
        return call, lane
