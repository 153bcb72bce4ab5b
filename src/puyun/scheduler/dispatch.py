"""Who gets a free seat, who must give one back, and who may wait for one."""

import heapq
from collections.abc import Iterable
from itertools import count

from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.attempt import Signal, SignalKind
from puyun.scheduler.decision import Decision, Grant, Preempted, Refusal, Why
from puyun.scheduler.flow import Call, Line
from puyun.scheduler.lane import Lane
from puyun.scheduler.level import MILLI, Level, Route
from puyun.scheduler.pool import ENTERPRISE, LENT, RANKS, TEST
from puyun.scheduler.rules import Rules


class Dispatch:
    """What the scheduler's events have in common. `out` takes the decisions, in order."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._now = Instant(0)
        self._lanes: dict[int, Lane[Line]] = {}
        self._owners: set[int] = set()
        """Organizations with lanes of their own."""
        self._levels: tuple[dict[int, Level], ...] = ({}, {}, {})
        """By tier, then by model."""
        self._calls: dict[int, Call] = {}
        """That wait or run."""
        self._deadlines: list[tuple[Instant, int]] = []
        self._lane_timers: list[tuple[Instant, int]] = []
        self._stamps = count(1)

    def _tick(self, now: Instant) -> Instant:
        self._now = now if now > self._now else self._now  # noqa: FURB136 - hot: max() is a call
        return self._now

    # --- free seats ------------------------------------------------------------------------------------------------------
    def _vacancy(self, call: Call, route: Route, now: Instant) -> tuple[Lane[Line], int] | None:
        """A seat that nobody waits for, at the least used lane of the first group that has one."""
        claim = call.claim
        for group in route.groups:
            best: tuple[Lane[Line], int] | None = None
            for lane, place in group:
                if lane.in_flight >= lane.seats or now < lane.until:
                    continue
                if lane.active and (place != ENTERPRISE or lane.pool.shared or lane.lines[ENTERPRISE]):
                    continue
                if lane.metered and lane.wait(call.rank, claim.input, claim.output, now):
                    continue
                if place == LENT and not lane.pool.may_lend(now):
                    continue
                if best is None or lane.in_flight * best[0].seats < best[0].in_flight * lane.seats:
                    best = lane, place
            if best is not None:
                return best
        return None

    def _fill(self, lane: Lane[Line], out: list[Decision], now: Instant) -> None:
        """Every free seat of a lane goes to who is next, as long as tokens last."""
        while lane.active and lane.in_flight < lane.seats:
            if now < lane.until:
                self._wake_lane(lane, lane.until)
                return
            if not self._serve(lane, out, now):
                return

    def _fill_all(self, lanes: Iterable[Lane[Line]], out: list[Decision], now: Instant) -> None:
        for lane in lanes:
            if lane.active:
                self._fill(lane, out, now)

    def _serve(self, lane: Lane[Line], out: list[Decision], now: Instant) -> bool:
        """One seat. If tokens are lacking the lane is looked at again when they are there."""
        soonest: int | None = None
        kept = LENT + 1
        for place in lane.order(now):
            if place > kept:
                continue
            for line in _by_turn(lane.lines[place]):
                found = line.next_for(lane, now)
                if isinstance(found, Call):
                    level = self._level_of(found)
                    level.dequeue(found, now, served=True)
                    out.append(self._seat(found, level, lane, place, now))
                    return True
                soonest = found.wait if soonest is None else min(found.wait, soonest)
                if found.kept:
                    kept = min(kept, place)
                    break
        if soonest is not None:
            self._wake_lane(lane, Instant(now + soonest))
        if lane.lines[LENT] and (again := lane.pool.lends_at(now)) is not None:
            self._wake_lane(lane, again)
        return False

    def _seat(self, call: Call, level: Level, lane: Lane[Line], place: int, now: Instant) -> Grant:
        claim = call.claim
        own = lane.spec.owner == claim.org
        if not own:
            call.charged = claim.input * MILLI + claim.output * lane.spec.ratios.output
            level.charge(call.tab, call.charged)
            turns = lane.pool.turns
            turns[place] = max(turns[place], level.turn.v)
        call.lane, call.granted, call.lent, call.short_since = lane, now, place == LENT, None
        call.output = claim.output
        call.tab.running += 1
        lane.count(call.rank, 1, now, lent=call.lent)
        if lane.metered:
            lane.take(claim.input, claim.output, now)
        lane.pool.called(now)
        preemptible = (
            call.rank == TEST
            and lane.spec.own
            and call.preempted < self.rules.preemptions
            and call.deadline - now >= SECOND
        )
        if preemptible:
            lane.victims[call.ticket] = now
        return Grant(call.ticket, lane.id, lane.pool.name, now - call.arrived, preemptible)

    # --- seats that come back --------------------------------------------------------------------------------------------
    def _heed(self, call: Call, lane: Lane[Line], signal: Signal, now: Instant) -> None:
        if signal.kind is SignalKind.OK:
            lane.succeeded(call.granted, now, begun=call.begun)
        elif signal.kind is SignalKind.OVERLOADED:
            lane.overloaded(signal, call.granted, now)
        elif signal.kind is SignalKind.FAILED:
            lane.failed(now)
        if signal.remaining:
            lane.sync(signal.remaining, now)

    def _leave(self, call: Call, lane: Lane[Line], now: Instant) -> None:
        lane.count(call.rank, -1, now, lent=call.lent)
        lane.victims.pop(call.ticket, None)
        call.tab.running -= 1
        call.lane = None

    def _come_back(self, call: Call, lane: Lane[Line], out: list[Decision], now: Instant) -> Route | None:
        """Without its seat, and as if it had not had one: to the head of its queue, or refused (None)."""
        level = self._level_of(call)
        if lane.metered:
            lane.give(call.claim.input, call.output)
        if call.charged is not None:
            level.correct(call.tab, -call.charged)
            call.charged = None
        self._leave(call, lane, now)
        call.again = True
        call.deadline = Instant(now + max(call.deadline - call.granted, 0))
        route = self._place(call, out, now)
        if route is None:
            level.rest(call.tab, now)
        return route

    def _place(self, call: Call, out: list[Decision], now: Instant) -> Route | None:
        """Into its queue, whatever the bounds; refused (None) if no lane is left for it."""
        level = self._level_of(call)
        route = self._route(level, call.lanes, call.claim.org, now)
        if not route.groups:
            self._refuse(call, Why.NO_LANE, SECOND, out)
            return None
        level.enqueue(call, route, now)
        self._wake_for(call)
        return route

    def _around(self, lane: Lane[Line]) -> Iterable[Lane[Line]]:
        """Lanes that may serve somebody when one has a seat back: of a pool that lends, what is kept back is counted
        over all of them."""
        return (lane,) if lane.pool.shared else lane.pool.lanes

    # --- who waits -----------------------------------------------------------------------------------------------------
    def _queue(self, call: Call, level: Level, route: Route, out: list[Decision], now: Instant) -> None:
        """No seat is free at this moment: wait, or be told now that there is no point in it."""
        tab, patience = call.tab, call.deadline - now
        wait = self._predict(level, call, route, now)
        victim = call.rank == ENTERPRISE and self._victim_lane(call, route, now) is not None
        if tab.waiting >= self.rules.of(RANKS[call.rank]).queue_org:
            return self._refuse(call, Why.QUEUE_FULL, wait, out)
        if wait > patience > 0 and not victim:
            return self._refuse(call, Why.WAIT_TOO_LONG, wait - patience, out)
        if level.waiting >= level.bound:
            dropped = level.dropped_for(tab) if patience > 0 else None
            if dropped is None:
                return self._refuse(call, Why.QUEUE_FULL, wait, out)
            self._refuse(dropped, Why.DROPPED, self._predict(level, dropped, route, now), out)
            self._unqueue(dropped, out, now)
        self._calls[call.ticket] = call
        level.enqueue(call, route, now)
        self._wake_for(call)
        self._offer(call, route, out, now)
        return None

    def _offer(self, call: Call, route: Route, out: list[Decision], now: Instant) -> None:
        """What is free, or can be had back; a call that may not wait is refused after that."""
        self._fill_all((lane for group in route.groups for lane, _ in group), out, now)
        if call.lane is None and call.rank == ENTERPRISE:
            self._preempt_for(call, route, out, now)
        if call.lane is None and call.deadline <= now:
            self._refuse(call, Why.WAIT_TOO_LONG, self._predict(self._level_of(call), call, route, now), out)
            self._unqueue(call, out, now)

    def _refuse(self, call: Call, why: Why, wait: int, out: list[Decision]) -> None:
        self._calls.pop(call.ticket, None)
        out.append(Refusal(call.ticket, why, min(max(wait, SECOND), self.rules.retry_after_max)))

    def _unqueue(self, call: Call, out: list[Decision], now: Instant) -> None:
        """It waits no more. If seats were kept for it until it had tokens, they go to others."""
        flow = call.flow
        assert flow is not None
        self._calls.pop(call.ticket, None)
        level = self._level_of(call)
        level.dequeue(call, now, served=False)
        level.rest(call.tab, now)
        if call.short_since is not None:
            self._fill_all([lane for line in flow.lines for lane, _ in line.lanes], out, now)

    def _predict(self, level: Level, call: Call, route: Route, now: Instant) -> int:
        """Microseconds; at least until the first of its lanes takes calls again."""
        closed = min(lane.until for group in route.groups for lane, _ in group) - now
        return max(level.predict(call.tab.org, call.tab.waiting, route, now), closed)

    # --- preemption ------------------------------------------------------------------------------------------------------
    def _victim_lane(self, call: Call, route: Route, now: Instant) -> Lane[Line] | None:
        """Where Test can be preempted for Enterprise: seats that were lent first, then the newest, which lost least."""
        claim = call.claim
        for group in route.groups:
            best, newest = None, -1
            for lane, _ in group:
                if (
                    lane.victims
                    and (granted := next(reversed(lane.victims.values()))) > newest
                    and lane.in_flight <= lane.seats
                    and now >= lane.until
                    and lane.pool.may_preempt(now)
                    and not lane.wait(call.rank, claim.input, claim.output, now)
                ):
                    best, newest = lane, granted
            if best is not None:
                return best
        return None

    def _preempt_for(self, call: Call, route: Route, out: list[Decision], now: Instant) -> None:
        lane = self._victim_lane(call, route, now)
        if lane is None:
            return
        victim = self._calls[next(reversed(lane.victims))]
        lane.pool.preempt(now - victim.granted, now)
        victim.preempted += 1
        out.append(Preempted(victim.ticket))
        found = self._come_back(victim, lane, out, now)
        self._fill(lane, out, now)
        if found is not None:
            self._fill_all((other for group in found.groups for other, _ in group), out, now)

    # --- small things ----------------------------------------------------------------------------------------------------
    def _level(self, model: int, rank: int) -> Level:
        level = self._levels[rank].get(model)
        if level is None:
            level = self._levels[rank][model] = Level(model, rank, self.rules, self._stamps)
        return level

    def _level_of(self, call: Call) -> Level:
        return self._levels[call.rank][call.claim.model]

    def _route(self, level: Level, lanes: tuple[int, ...], org: int, now: Instant) -> Route:
        key = (*lanes, -1 - org) if org in self._owners else lanes
        route = level.routes.get(key)
        if route is None:
            route = level.routes[key] = level.route(lanes, org, self._lanes, now)
        return route

    def _wake_for(self, call: Call) -> None:
        if len(self._deadlines) > 2 * len(self._calls) + 64:
            self._deadlines = [entry for entry in self._deadlines if self._is_due(*entry)]
            heapq.heapify(self._deadlines)
        heapq.heappush(self._deadlines, (call.deadline, call.ticket))

    def _is_due(self, at: Instant, ticket: int) -> bool:
        call = self._calls.get(ticket)
        return call is not None and call.lane is None and call.deadline == at

    def _wake_lane(self, lane: Lane[Line], at: Instant) -> None:
        if lane.wake_at is not None and lane.wake_at <= at:
            return
        lane.wake_at = at
        if len(self._lane_timers) > 4 * len(self._lanes) + 64:
            self._lane_timers = [(due, id_) for due, id_ in self._lane_timers if self._lanes[id_].wake_at == due]
            heapq.heapify(self._lane_timers)
        heapq.heappush(self._lane_timers, (at, lane.id))


def _by_turn(lines: dict[Line, None]) -> Iterable[Line]:
    """Models that share a lane take turns as organizations do; lines of one model, as the organizations in front."""
    return tuple(lines) if len(lines) == 1 else sorted(lines, key=_turn)


def _turn(line: Line) -> tuple[int, int]:
    flow = line.first()
    return line.turn.v, flow.tab.v if flow else 0
