"""The limits themselves: one decision for all of a call's limits, corrected when its tokens are known."""

from collections import defaultdict
from collections.abc import Iterator

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.limits import saved
from puyun.limits.cell import Count, Rate
from puyun.limits.cells import Caller, Cells, Vector
from puyun.limits.passed import Passed
from puyun.limits.policy import Policy
from puyun.limits.reading import Over, Row

HINT = 1 * SECOND
"""When to come again where nobody can know: a place in flight becomes free when a call ends."""

NEVER = Instant(1 << 62)


class Limits:
    """Counts against a policy. One decider at a time; not thread-safe."""

    def __init__(self, policy: Policy, *, spent: Instant | None = None) -> None:
        """`spent`: every rate counts as used up at that moment; else nothing is used of any."""
        self._cells = Cells(policy, spent)
        self._calls: dict[int, Passed] = {}
        self._waiting: defaultdict[int, dict[int, Passed]] = defaultdict(dict)
        """By organization, in order of arrival; no entry is empty."""
        self._started: list[int] = []
        self._change = Instant(0)

    @property
    def policy(self) -> Policy:
        return self._cells.policy

    @property
    def next_wake(self) -> Instant | None:
        """When a dated rule begins or ends, so that `wake` may have something to tell."""
        return None if self._change == NEVER else self._change

    def wake(self, now: Instant) -> list[int]:
        """Let dated rules begin and end. Returns tickets that waited and are now in flight."""
        if now >= self._change:
            self._advance(now)
        started, self._started = self._started, []
        return started

    def configure(self, policy: Policy, now: Instant) -> list[int]:
        """Follow another rule book; what was used stays used. Returns tickets that waited and are now in flight."""
        self._follow(policy, now)
        return self.wake(now)

    def check(self, claim: Claim, now: Instant) -> Passed | Over:
        """All limits or none: counts the call against each, or against nothing. Raises ValueError for a known ticket."""
        if now >= self._change:
            self._advance(now)
        ticket = claim.ticket
        if ticket in self._calls:
            raise ValueError(f"ticket {ticket} has passed already")
        vector = self._cells.vector(self._caller(claim), now)
        costs = (1, claim.input, claim.output, claim.input + claim.output)
        times: list[int] = []
        delay = 0
        for rate, kind in vector.rates:
            start = now * rate.amount
            cost = costs[kind] * rate.window
            tat = (rate.tat if rate.tat > start else start) + cost  # noqa: FURB136 - hot: max() is a call
            late = tat - start - rate.capacity
            if late > 0:
                if cost > rate.capacity or (wait := -(-late // rate.amount)) > claim.patience:
                    return self._refuse(vector, costs, claim.patience, now)
                delay = max(delay, wait)
            times.append(tat)
        waiting = False
        for count in vector.flights:
            if count.value >= count.amount:
                waiting = True
                if not (count.amount and vector.queues and _room(vector.queues)):
                    return self._refuse(vector, costs, claim.patience, now)
        for (rate, _), tat in zip(vector.rates, times, strict=True):
            rate.tat = tat
        for count in vector.queues if waiting else vector.flights:
            count.value += 1
        call = self._calls[ticket] = Passed(claim, vector, now, delay, waiting=waiting)
        vector.open += 1
        if waiting:
            self._waiting[claim.org][ticket] = call
        return call

    def knock(self, ip: str, now: Instant) -> Over | None:
        """Count a request whose sender is not known, against its network address alone."""
        if now >= self._change:
            self._advance(now)
        if not self._cells.addressed:
            return None
        vector = self._cells.vector((0, 0, 0, None, ip), now)
        costs = (1, 0, 0, 0)
        over = self._over(vector, costs, 0, now)
        if over is None:
            for rate, kind in vector.rates:
                rate.add(costs[kind], now)
        return over

    def reclaim(self, claim: Claim, now: Instant, *, counted: bool = True) -> None:
        """A call that another decider let in before it died, or somebody in its place: it is in flight whatever the limits,
        and its tokens were counted then, or (`counted` False) are counted now. Raises ValueError for a known ticket.
        """
        if now >= self._change:
            self._advance(now)
        if claim.ticket in self._calls:
            raise ValueError(f"ticket {claim.ticket} has passed already")
        vector = self._cells.vector(self._caller(claim), now)
        vector.open += 1
        self._calls[claim.ticket] = Passed(claim, vector, now)
        if not counted:
            costs = (1, claim.input, claim.output, claim.input + claim.output)
            for rate, kind in vector.rates:
                rate.add(costs[kind], now)
        _add(vector.flights, 1)

    def correct(self, ticket: int, input: int, output: int, now: Instant) -> None:  # noqa: A002 - the word for it
        """Put the tokens counted for a call right, up or down; as often as more is known. Unknown tickets: nothing."""
        call = self._calls.get(ticket)
        if call is None:
            return
        more_input, more_output = input - call.input, output - call.output
        if more_input or more_output:
            call.input, call.output = input, output
            more = (0, more_input, more_output, more_input + more_output)
            for rate, kind in call.vector.rates:
                if more[kind]:
                    rate.add(more[kind], now)

    def release(self, ticket: int, now: Instant) -> list[int]:
        """The call is over. Returns the tickets that waited for its place and are now in flight, first come first.

        An unknown ticket releases nothing.
        """
        if now >= self._change:
            self._advance(now)
        call = self._calls.pop(ticket, None)
        if call is not None:
            vector = call.vector
            vector.open -= 1
            for count in vector.queues if call.waiting else vector.flights:
                count.value -= 1
            if self._waiting:
                self._leave(call)
        if not self._started:
            return []
        started, self._started = self._started, []
        return [each for each in started if each != ticket]

    def void(self, ticket: int, now: Instant) -> list[int]:
        """As `release`, and the call counts for nothing: it never began, through no fault of its sender."""
        call = self._calls.get(ticket)
        if call is not None:
            costs = (1, call.input, call.output, call.input + call.output)
            for rate, kind in call.vector.rates:
                rate.add(-costs[kind], now)
        return self.release(ticket, now)

    def view(self, key: int, org: int, model: int, tier: Tier, now: Instant) -> tuple[Row, ...]:
        """How each limit in force stands; changes nothing. What has no limit is left out."""
        return tuple(
            Row(self._cells.peek(place, rule).reading(now), rule)
            for place, rule in self._cells.rules((org, key, model, tier, None))
            if rule.amount is not None
        )

    def snapshot(self, now: Instant) -> bytes:
        """What is used of every rate, for `restore`. Calls in flight are no part of it: who has them claims them."""
        return saved.save(self._cells.rates(), now)

    def restore(self, state: bytes, now: Instant) -> None:
        """Take up what was used when a snapshot was made, less what was forgotten since. Raises ValueError."""
        for place, rate in saved.load(state, now):
            self._cells.keep(place, rate)

    def _caller(self, claim: Claim) -> Caller:
        return claim.org, claim.key, claim.model, claim.tier, claim.ip if self._cells.addressed else None

    def _refuse(self, vector: Vector, costs: tuple[int, int, int, int], patience: int, now: Instant) -> Over:
        over = self._over(vector, costs, patience, now)
        assert over is not None, "whoever refuses knows why"
        return over

    def _over(self, vector: Vector, costs: tuple[int, int, int, int], patience: int, now: Instant) -> Over | None:
        """Why a call is not let in: of all limits that refuse, the one that refuses longest."""
        found: list[tuple[int, Rate | Count]] = []
        for rate, kind in vector.rates:
            cost = costs[kind] * rate.window
            late = rate.backlog(now) + cost - rate.capacity
            if cost > rate.capacity:
                found.append((NEVER, rate))
            elif late > 0 and (wait := -(-late // rate.amount)) > patience:
                found.append((wait, rate))
        found += _crowded(vector)
        if not found:
            return None
        wait, cell = max(found, key=lambda each: each[0])
        reading = cell.reading(now)
        return Over(
            scope=reading.scope,
            metric=reading.metric,
            limit=reading.limit,
            used=reading.used,
            wait=None if wait == NEVER else wait,
            readings=tuple(each.reading(now) for each in vector.cells),
            rule=cell.rule,
        )

    def _advance(self, now: Instant) -> None:
        """Every moment up to now at which a dated rule began or ended, one after another."""
        moment = self._change or now
        while moment <= now:
            self._follow(self.policy, moment)
            moment = self._change

    def _follow(self, policy: Policy, since: Instant) -> None:
        """Count the open calls anew where the rules now want them counted, and start those that now find room."""
        self._cells.follow(policy, since)
        self._change = policy.next_change(since) or NEVER
        for call in self._calls.values():
            call.vector = vector = self._cells.vector(self._caller(call.claim), since)
            vector.open += 1
            _add(vector.queues if call.waiting else vector.flights, 1)
        for org in list(self._waiting):
            self._start(org)

    def _leave(self, call: Passed) -> None:
        """A call left: it waits no more, and others of its organization may have found room."""
        org = call.claim.org
        if org in self._waiting:
            self._waiting[org].pop(call.claim.ticket, None)
            self._start(org)

    def _start(self, org: int) -> None:
        """Let those go on that wait and find room, the first first."""
        waiting = self._waiting[org]
        for ticket, call in list(waiting.items()):
            if _room(call.vector.flights):
                del waiting[ticket]
                call.waiting = False
                _add(call.vector.queues, -1)
                _add(call.vector.flights, 1)
                self._started.append(ticket)
        if not waiting:
            del self._waiting[org]


def _room(counts: tuple[Count, ...]) -> bool:
    return all(count.value < count.amount for count in counts)


def _add(counts: tuple[Count, ...], calls: int) -> None:
    for count in counts:
        count.value += calls


def _crowded(vector: Vector) -> Iterator[tuple[int, Count]]:
    """Counts for which there is neither room in flight nor to wait for it."""
    full = [count for count in vector.flights if count.value >= count.amount]
    closed = [count for count in full if not count.amount]
    if closed:
        yield NEVER, closed[0]
    elif full and not (vector.queues and _room(vector.queues)):
        yield HINT, next((count for count in vector.queues if count.value >= count.amount), full[0])
