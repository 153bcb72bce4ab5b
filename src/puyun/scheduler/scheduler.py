"""The one that decides. Each method takes the moment and returns what was decided by it, in order."""

import heapq
from collections.abc import Mapping

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.attempt import ABANDONED, NOTHING, Signal, SignalKind, Spent
from puyun.scheduler.decision import Decision, Refusal, Why
from puyun.scheduler.dispatch import Dispatch
from puyun.scheduler.flow import Call, Line
from puyun.scheduler.lane import Facts, Lane, LaneSpec
from puyun.scheduler.pool import RANK, RANKS, TEST
from puyun.scheduler.rules import DEFAULTS, Rules
from puyun.scheduler.view import PoolView, QueueView, pool_views, queue_view


class Scheduler(Dispatch):
    """Not thread-safe. Moments must not go backwards; one that does is read as the last one."""

    def __init__(self, rules: Rules = DEFAULTS) -> None:
        super().__init__(rules)

    # --- what comes in -----------------------------------------------------------------------------------------------
    def configure(self, lanes: Mapping[int, LaneSpec], now: Instant, rules: Rules | None = None) -> list[Decision]:
        """A whole new set of lanes. Calls in flight keep their seats; claims left without a lane are refused."""
        now = self._tick(now)
        self.rules = rules or self.rules
        known = {id_: lane for id_, lane in self._lanes.items() if lane.in_flight or id_ in lanes}
        for id_, lane in known.items():
            lane.adopt(lanes.get(id_, lane.spec), self.rules, now)
            lane.retired = id_ not in lanes
        for id_, spec in lanes.items():
            if id_ not in known:
                known[id_] = Lane(spec, self.rules, now)
        self._lanes, self._lane_timers = known, []
        self._owners = {spec.owner for spec in lanes.values() if spec.owner is not None}
        for level in (level for levels in self._levels for level in levels.values()):
            level.rules = self.rules
            level.clear()
        out: list[Decision] = []
        waiting = sorted((call for call in self._calls.values() if call.lane is None), key=_order)
        for call in [call for call in waiting if self._place(call, out, now) is None]:
            self._level_of(call).rest(call.tab, now)
        self._fill_all(known.values(), out, now)
        return out

    def arrive(self, claim: Claim, now: Instant, arrived: Instant | None = None) -> list[Decision]:
        """Grants, queues (no decision about this ticket) or refuses. A ticket that is known already is ignored.

        `arrived`: when the call came, if it was kept back since.
        """
        now = self._tick(now)
        ticket = claim.ticket
        if ticket in self._calls:
            return []
        rank = RANK[claim.tier]
        level = self._levels[rank].get(claim.model) or self._level(claim.model, rank)
        route = self._route(level, claim.lanes, claim.org, now)
        if not route.groups:
            return [Refusal(ticket, Why.NO_LANE, 0)]
        tab = level.tab(claim.org, route)
        call = Call(claim, Instant(now - claim.waited) if arrived is None else arrived, rank, tab)
        spot = self._vacancy(call, route, now)
        if spot is not None:
            self._calls[ticket] = call
            return [self._seat(call, level, spot[0], spot[1], now)]
        out: list[Decision] = []
        self._queue(call, level, route, out, now)
        level.rest(tab, now)
        return out

    def cancel(self, ticket: int, now: Instant) -> list[Decision]:
        """The client left, usually while the call waited. A ticket that is not known is ignored."""
        return self.end(ticket, NOTHING, ABANDONED, now)

    def begin(self, ticket: int, now: Instant) -> list[Decision]:
        """The first byte goes to the client: from here on the call is not preempted."""
        now = self._tick(now)
        call = self._calls.get(ticket)
        out: list[Decision] = []
        if call is not None and call.lane is not None and not call.begun:
            call.begun = True
            call.lane.victims.pop(ticket, None)
            call.lane.answered(now - call.granted, now)
            self._fill(call.lane, out, now)
        return out

    def progress(self, ticket: int, output: int, now: Instant) -> list[Decision]:
        """Output tokens so far: a long answer pays while it runs."""
        now = self._tick(now)
        call = self._calls.get(ticket)
        if call is not None and call.lane is not None and output > call.output:
            more = output - call.output
            call.output = output
            if call.lane.otpm:
                call.lane.otpm.take(more, now)
            if call.charged is not None:
                cost = more * call.lane.spec.ratios.output
                call.charged += cost
                self._level_of(call).correct(call.tab, cost)
        return []

    def elsewhere(self, ticket: int, signal: Signal, now: Instant) -> list[Decision]:
        """The attempt failed before its first byte: the seat is given back, another lane is found or the call refused.

        A call that has begun, or has no seat, is left alone.
        """
        now = self._tick(now)
        call = self._calls.get(ticket)
        if call is None or call.lane is None or call.begun:
            return []
        out: list[Decision] = []
        lane = call.lane
        self._heed(call, lane, signal, now)
        call.lanes = tuple(id_ for id_ in call.lanes if id_ != lane.id)
        call.retries += 1
        route = self._come_back(call, lane, out, now)
        if route is not None and not self._may_retry(call, lane, now):
            self._unqueue(call, out, now)
            self._refuse(call, Why.RETRIES_SPENT, SECOND, out)
        elif route is not None:
            self._offer(call, route, out, now)
        self._fill_all(self._around(lane), out, now)
        return out

    def _may_retry(self, call: Call, lane: Lane[Line], now: Instant) -> bool:
        if call.retries > self.rules.of(RANKS[call.rank]).retries:
            return False
        hurried = call.rank == TEST and lane.was_cut(now)
        return not hurried and lane.pool.may_retry(now)

    def end(self, ticket: int, spent: Spent, signal: Signal, now: Instant) -> list[Decision]:
        """The call is over: its seat or its place is given back, and the organization's counter corrected."""
        now = self._tick(now)
        call = self._calls.get(ticket)
        out: list[Decision] = []
        if call is None:
            return out
        lane = call.lane
        if lane is None:
            self._unqueue(call, out, now)
            return out
        del self._calls[ticket]
        if not call.begun and signal.kind is SignalKind.OK:
            call.begun = True
            lane.answered(now - call.granted, now)  # a whole answer, whose first byte nobody told of
        self._heed(call, lane, signal, now)
        level = self._level_of(call)
        level.kept_seat(now - call.granted)
        if lane.metered:
            lane.give(call.claim.input - spent.fresh - spent.written, call.output - spent.output)
        if call.charged is not None and (more := lane.spec.cost(spent) - call.charged):
            level.correct(call.tab, more)
        self._leave(call, lane, now)
        level.rest(call.tab, now)
        if lane.pool.waiting:
            self._fill_all(self._around(lane), out, now)
        return out

    def observe(self, lane: int, facts: Facts, now: Instant) -> list[Decision]:
        """What headers or engine metrics say."""
        now = self._tick(now)
        out: list[Decision] = []
        known = self._lanes.get(lane)
        if known is not None:
            known.observe(facts, now)
            self._fill(known, out, now)
        return out

    def reclaim(self, claim: Claim, lane: int, now: Instant) -> list[Decision]:
        """A lease that a scheduler before this one granted: takes its seat, even beyond the count.

        It is not preempted, since it may have begun. A lane that is not known has no seats to count.
        """
        now = self._tick(now)
        known = self._lanes.get(lane)
        if known is None or claim.ticket in self._calls:
            return []
        rank = RANK[claim.tier]
        level = self._levels[rank].get(claim.model) or self._level(claim.model, rank)
        route = self._route(level, claim.lanes, claim.org, now)
        tab = level.tab(claim.org, route)
        call = self._calls[claim.ticket] = Call(claim, Instant(now - claim.waited), rank, tab)
        place = next((place for group in route.groups for found, place in group if found is known), rank)
        self._seat(call, level, known, place, now)
        call.begun = True
        known.victims.pop(claim.ticket, None)
        return []

    # --- what comes due ------------------------------------------------------------------------------------------------
    def wake(self, now: Instant) -> list[Decision]:
        """What has come due: deadlines, pauses that end, buckets that have filled."""
        now = self._tick(now)
        out: list[Decision] = []
        while (due := self.next_wake) is not None and due <= now:
            if self._deadlines and self._deadlines[0][0] == due:
                call = self._calls[heapq.heappop(self._deadlines)[1]]
                level = self._level_of(call)
                self._unqueue(call, out, now)
                wait = level.predict(call.claim.org, call.tab.waiting, None, now)
                self._refuse(call, Why.EXPIRED, wait, out)
            else:
                lane = self._lanes[heapq.heappop(self._lane_timers)[1]]
                lane.wake_at = None
                self._fill(lane, out, now)
        return out

    @property
    def next_wake(self) -> Instant | None:
        """When `wake` has something to do; None: not before something else happens."""
        deadlines, timers = self._deadlines, self._lane_timers
        while deadlines and not self._is_due(*deadlines[0]):
            heapq.heappop(deadlines)
        while timers and self._lanes[timers[0][1]].wake_at != timers[0][0]:
            heapq.heappop(timers)
        if not deadlines:
            return timers[0][0] if timers else None
        return min(deadlines[0][0], timers[0][0]) if timers else deadlines[0][0]

    # --- what it looks like ----------------------------------------------------------------------------------------------
    def standing(self, ticket: int) -> tuple[int, int] | None:
        """Of a waiting call: how many of its organization are before it, and its predicted wait from now in µs.

        As of the last event, like all that follows.
        """
        call = self._calls.get(ticket)
        if call is None or call.flow is None:
            return None
        ahead = call.flow.ahead(call)
        level = self._level_of(call)
        route = self._route(level, call.lanes, call.claim.org, self._now)
        return ahead, level.predict(call.claim.org, ahead, route, self._now)

    def view(self, model: int, tier: Tier, org: int) -> QueueView:
        return queue_view(self._level(model, RANK[tier]), org, self._now)

    def pools(self) -> list[PoolView]:
        levels = [level for levels in self._levels for level in levels.values()]
        return pool_views(self._lanes.values(), levels, self._now)


def _order(call: Call) -> tuple[int, int, int]:
    """To queue them as they were: those that go to the head come first, the last of them first."""
    arrived, ticket = call.arrived, call.ticket
    return (0, -arrived, -ticket) if call.again else (1, arrived, ticket)
