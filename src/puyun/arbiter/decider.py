"""Limits and scheduler behind one set of messages. Pure: who calls it says what time it is.

A call passes its limits first; one that must wait for a rate or for another of its own to end is kept back here, and
only then stands in the scheduler's queue. Every answer names a ticket; none is a callback. Not thread-safe.
"""

import heapq
from collections.abc import Iterable

from puyun.arbiter.message import Answer, Configuration, Granted, Look, Preempted, Refused, Seen, Standing
from puyun.arbiter.refusal import LIMIT, refused
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.limits.limits import Limits
from puyun.limits.passed import Passed
from puyun.limits.policy import Policy
from puyun.limits.reading import Over, Reading
from puyun.limits.rule import Metric
from puyun.scheduler.attempt import ABANDONED, NOTHING, Signal, Spent
from puyun.scheduler.decision import Decision, Grant, Refusal
from puyun.scheduler.lane import Facts
from puyun.scheduler.scheduler import Scheduler
from puyun.scheduler.view import PoolView


class _Call:
    """A call from its claim to its end. `due` is set while a rate keeps it back; `parked` while it waits for another of its
    own to end; `serial` counts its seats, `seated` is set while it has one.
    """

    __slots__ = ("arrived", "claim", "due", "parked", "passed", "seated", "serial")

    def __init__(self, claim: Claim, arrived: Instant, passed: Passed | None) -> None:
        self.claim = claim
        self.arrived = arrived
        self.passed = passed
        self.due: Instant | None = None
        self.parked = passed is not None and passed.waiting
        self.seated = False
        self.serial = 0

    @property
    def kept_back(self) -> bool:
        return self.parked or self.due is not None

    @property
    def readings(self) -> tuple[Reading, ...]:
        """As the call found its limits; none for a call that another arbiter let in."""
        return self.passed.readings if self.passed is not None else ()


class Decider:
    """Every call that is known waits or has a seat; what is over is forgotten."""

    def __init__(self, scheduler: Scheduler, limits: Limits) -> None:
        self.tells = True
        """Whether grants say how the call's limits stand; who is in the same process asks for it with `passed`."""
        self.scheduler = scheduler
        self.limits = limits
        self.revision = -1
        self._calls: dict[int, _Call] = {}
        self._timers: list[tuple[Instant, int]] = []
        """When to look again at calls that are kept back; ones that are not any more are skipped."""

    def __len__(self) -> int:
        return len(self._calls)

    def configure(self, wanted: Configuration, now: Instant) -> list[Answer]:
        """Lanes and limits from now on, if `wanted` is newer than what is in force."""
        if wanted.revision <= self.revision:
            return []
        self.revision = wanted.revision
        free = self.limits.configure(Policy(wanted.rules, wanted.models, revision=wanted.revision), now)
        lanes = {lane.id: lane for lane in wanted.lanes}
        return self._told(self.scheduler.configure(lanes, now), now) + self._unpark(free, now)

    def acquire(self, claim: Claim, now: Instant) -> list[Answer]:
        """The answer, when there is one at once; else `Standing` now and an answer later."""
        if claim.ticket in self._calls:
            return []
        arrived = Instant(now - claim.waited)
        outcome = self.limits.check(claim, now)
        if isinstance(outcome, Over):
            return [refused(claim.ticket, outcome)]
        call = self._calls[claim.ticket] = _Call(claim, arrived, outcome)
        if outcome.delay:
            call.due = Instant(now + outcome.delay)
            heapq.heappush(self._timers, (call.due, claim.ticket))
        if outcome.waiting:
            heapq.heappush(self._timers, (Instant(arrived + claim.max_wait), claim.ticket))
        if call.due is not None or call.parked:
            return [Standing(claim.ticket, 0, outcome.delay)]
        answers = self._arrive(call, now)
        if call.seated or any(answer.ticket == claim.ticket for answer in answers):
            return answers
        return [*answers, *self._standing(call)]

    def knock(self, ip: str, now: Instant) -> Refused | None:
        """A request whose sender is not known; None: it may be told so."""
        over = self.limits.knock(ip, now)
        return over and refused(0, over)

    def passed(self, ticket: int) -> Passed | None:
        """What a call was counted in; None for one that is not known, or was let in by another arbiter."""
        call = self._calls.get(ticket)
        return None if call is None else call.passed

    def begin(self, ticket: int, serial: int, now: Instant) -> list[Answer]:
        """From here on the seat cannot be taken away; nothing if it has been, see `has`."""
        return self._told(self.scheduler.begin(ticket, now), now) if self.has(ticket, serial) else []

    def progress(self, ticket: int, output: int, now: Instant) -> list[Answer]:
        call = self._calls.get(ticket)
        return self._told(self.scheduler.progress(ticket, output, now), now) if call and call.seated else []

    def elsewhere(self, ticket: int, serial: int, signal: Signal, now: Instant) -> list[Answer]:
        """Another lane for it, sooner or later, or a refusal; nothing if that seat was taken away meanwhile."""
        if not self.has(ticket, serial):
            return []
        self._calls[ticket].seated = False
        return self._told(self.scheduler.elsewhere(ticket, signal, now), now)

    def end(self, ticket: int, spent: Spent, signal: Signal, now: Instant) -> list[Answer]:
        """The call is over, wherever it was; one that had no seat counts for nothing."""
        call = self._calls.pop(ticket, None)
        if call is None:
            return []
        if call.seated:
            decisions = self.scheduler.end(ticket, spent, signal, now)
            self.limits.correct(ticket, spent.fresh + spent.written, spent.output, now)
            started = self.limits.release(ticket, now)
            if not decisions and not started:
                return []
            return self._told(decisions, now) + self._unpark(started, now)
        decisions = [] if call.kept_back else self.scheduler.cancel(ticket, now)
        return self._told(decisions, now) + self._unpark(self.limits.void(ticket, now), now)

    def forfeit(self, ticket: int, now: Instant) -> list[Answer]:
        """Whoever had the call is gone and nobody knows what it used: its estimates stand."""
        call = self._calls.get(ticket)
        if call is None or not call.seated:
            return self.end(ticket, NOTHING, ABANDONED, now)
        spent = Spent(fresh=call.claim.input, output=call.claim.output)
        return self.end(ticket, spent, ABANDONED, now)

    def has(self, ticket: int, serial: int) -> bool:
        """Whether the call has this very seat."""
        call = self._calls.get(ticket)
        return call is not None and call.seated and call.serial == serial

    def waits(self, ticket: int) -> bool:
        call = self._calls.get(ticket)
        return call is not None and not call.seated

    def observe(self, lane: int, facts: Facts, now: Instant) -> list[Answer]:
        return self._told(self.scheduler.observe(lane, facts, now), now)

    def reclaim(
        self, claim: Claim, lane: int, serial: int, *, begun: bool, now: Instant, counted: bool = True
    ) -> list[Answer]:
        """A seat that another arbiter gave: it counts from here on, even beyond the seats that there are. `counted` False:
        no arbiter's limits have counted the call.
        """
        if claim.ticket in self._calls:
            return []
        self.limits.reclaim(claim, now, counted=counted)
        call = self._calls[claim.ticket] = _Call(claim, now, None)
        call.seated, call.serial = True, serial
        answers = self._told(self.scheduler.reclaim(claim, lane, now), now)
        return answers + self._told(self.scheduler.begin(claim.ticket, now), now) if begun else answers

    @property
    def next_wake(self) -> Instant | None:
        """When `wake` has something to do; None: nothing before something else happens."""
        soonest = self.scheduler.next_wake
        change = self.limits.next_wake
        if change is not None and (soonest is None or change < soonest):
            soonest = change
        if self._timers and (soonest is None or self._timers[0][0] < soonest):
            soonest = self._timers[0][0]
        return soonest

    def wake(self, now: Instant) -> list[Answer]:
        answers = self._unpark(self.limits.wake(now), now)
        answers += self._told(self.scheduler.wake(now), now)
        while self._timers and self._timers[0][0] <= now:
            call = self._calls.get(heapq.heappop(self._timers)[1])
            if call is not None and call.kept_back:
                answers += self._look_again(call, now)
        return answers

    def standing(self, ticket: int) -> Standing | None:
        """Where a waiting call stands; None for one that waits no more."""
        call = self._calls.get(ticket)
        found = self._standing(call) if call else []
        return found[0] if found else None

    def look(self, look: Look, now: Instant) -> tuple[Seen, ...]:
        """Limits and queues as a key sees them; changes nothing."""
        return tuple(
            Seen(
                self.limits.view(look.key, look.org, model, look.tier, now),
                self.scheduler.view(model, look.tier, look.org),
            )
            for model in look.models
        )

    def pools(self) -> tuple[PoolView, ...]:
        return tuple(self.scheduler.pools())

    # --- one call ------------------------------------------------------------------------------------------------
    def _arrive(self, call: _Call, now: Instant) -> list[Answer]:
        return self._told(self.scheduler.arrive(call.claim, now, call.arrived), now)

    def _look_again(self, call: _Call, now: Instant) -> list[Answer]:
        """A timer of a call that is kept back: its rate lets it pass now, or it has waited for long enough."""
        if call.due is not None and call.due <= now:
            call.due = None
            if not call.parked:
                return self._arrive(call, now)
        if call.parked and call.arrived + call.claim.max_wait <= now:
            del self._calls[call.claim.ticket]
            return [_in_flight(call), *self._unpark(self.limits.void(call.claim.ticket, now), now)]
        return []

    def _unpark(self, tickets: Iterable[int], now: Instant) -> list[Answer]:
        """These are in flight now, as their limits see it."""
        answers: list[Answer] = []
        for ticket in tickets:
            call = self._calls.get(ticket)
            if call is not None and call.parked:
                call.parked = False
                if call.due is None:
                    answers += self._arrive(call, now)
        return answers

    def _standing(self, call: _Call) -> list[Standing]:
        ticket = call.claim.ticket
        if call.kept_back:
            return [Standing(ticket, 0, 0)]
        found = self.scheduler.standing(ticket)
        return [Standing(ticket, *found)] if found else []

    # --- what the scheduler decided --------------------------------------------------------------------------------
    def _told(self, decisions: list[Decision], now: Instant) -> list[Answer]:
        answers: list[Answer] = []
        for decision in decisions:
            if isinstance(decision, Grant):
                call = self._calls[decision.ticket]
                call.seated = True
                call.serial += 1
                seat = decision.lane, decision.pool, decision.waited, decision.preemptible
                answers.append(Granted(decision.ticket, call.serial, *seat, call.readings if self.tells else ()))
            elif isinstance(decision, Refusal):
                call = self._calls.pop(decision.ticket)
                readings = call.readings
                answers.append(Refused(decision.ticket, decision.why, decision.retry_after, readings=readings))
                answers += self._unpark(self.limits.void(decision.ticket, now), now)
            else:
                self._calls[decision.ticket].seated = False
                answers.append(Preempted(decision.ticket))
        return answers


def _in_flight(call: _Call) -> Refused:
    """None of the organization's own calls ended in time."""
    found = [reading for reading in call.readings if reading.metric is Metric.IN_FLIGHT and not reading.remaining]
    ticket = call.claim.ticket
    if not found:
        return Refused(ticket, LIMIT, SECOND, metric=Metric.IN_FLIGHT, readings=call.readings)
    one = found[0]
    return Refused(ticket, LIMIT, SECOND, one.scope, one.metric, one.limit, one.used, call.readings)
