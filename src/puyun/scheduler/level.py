"""One tier of one model: who waits, whose turn it is, how much may wait, how fast it moves."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from math import exp, expm1
from typing import Final, NamedTuple

from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.flow import Call, Flow, Line, Tab, Turn
from puyun.scheduler.lane import Lane, lends
from puyun.scheduler.pool import ENTERPRISE, LENT, RANKS, TEST
from puyun.scheduler.rules import Rules

MILLI: Final = 1000
ROUTES_MAX: Final = 1024
"""Sets of lanes remembered for one level; there are as many as there are combinations of lanes that failed a call."""


class Route(NamedTuple):
    """Where a claim may go: lanes with the place where it stands there, in groups, the first one first."""

    lanes: tuple[int, ...]
    groups: tuple[tuple[tuple[Lane[Line], int], ...], ...]
    lines: tuple[Line, ...]


class Drain:
    """Calls that leave a queue, per µs: counted over a window that begins with the queue."""

    __slots__ = ("_at", "_begun", "_count", "_window")

    def __init__(self, window: int) -> None:
        self._window = window
        self._count = 0.0
        self._at = self._begun = 0

    def begin(self, now: Instant) -> None:
        """A queue has formed."""
        self._count = 0.0
        self._at = self._begun = now

    def served(self, now: Instant) -> None:
        if now > self._at:
            self._count *= exp((self._at - now) / self._window)
            self._at = now
        self._count += 1

    def age(self, now: Instant) -> int:
        return now - self._begun

    def rate(self, now: Instant) -> float:
        """Never 0: what has not moved yet may move next."""
        count = self._count * exp((self._at - now) / self._window)
        return max(count, 1.0) / max(-self._window * expm1((self._begun - now) / self._window), 1.0)


class Level:
    __slots__ = (
        "_idle",
        "_lengths",
        "_lines",
        "_longest",
        "_stamps",
        "_weight",
        "bound",
        "busy",
        "cost",
        "drain",
        "model",
        "rank",
        "routes",
        "rules",
        "seat_time",
        "tabs",
        "turn",
        "v",
        "waiting",
    )

    def __init__(self, model: int, rank: int, rules: Rules, stamps: Iterator[int]) -> None:
        self.model = model
        self.rank = rank
        self.rules = rules
        self.tabs: dict[int, Tab] = {}
        self.v = 0
        """The highest counter at which one was served: where all begin that come while nobody waits."""
        self.turn = Turn()
        self.drain = Drain(rules.drain_window)
        self.seat_time = 0
        """Smoothed, µs."""
        self.cost = 0
        """Of a call, smoothed, in thousandths of a token-cost unit."""
        self._stamps = stamps
        self._idle: OrderedDict[int, Instant] = OrderedDict()
        self.clear()

    def clear(self) -> None:
        """Forget who waits and where they may go; what each has been served stays."""
        self.routes: dict[tuple[int, ...], Route] = {}
        self._lines: dict[tuple[int | None, tuple[int, ...]], Line] = {}
        self.busy: dict[Line, None] = {}
        """Those in which somebody waits."""
        self.waiting = 0
        self.bound = self.rules.of(RANKS[self.rank]).queue_org
        """Calls that may wait."""
        self._weight = 0
        """Of the organizations that wait."""
        self._lengths: list[dict[Tab, None]] = [{}]
        """Organizations by how many calls they have waiting."""
        self._longest = 0
        for tab in self.tabs.values():
            tab.waiting = 0
            tab.flows.clear()
            tab.droppable.clear()
            tab.weight = self.rules.weights.get(tab.org, 1)

    # --- where to ----------------------------------------------------------------------------------------------------
    def route(self, wanted: tuple[int, ...], org: int, known: Mapping[int, Lane[Line]], now: Instant) -> Route:
        """Lanes of a pool that are on one route become one pool."""
        groups: list[list[tuple[Lane[Line], int]]] = [[], [], [], []]
        own: list[tuple[Lane[Line], int]] = []
        for lane in (known[id_] for id_ in wanted if id_ in known):
            found = _standing(lane, self.rank, org)
            if found is not None:
                group, place = found
                groups[group].append((lane, place))
                if lane.spec.owner == org:
                    own.append((lane, place))
        everyone = [pair for group in groups for pair in group if pair not in own]
        _join(everyone + own, now)
        lines = [self._line(None, everyone), self._line(org, own)]
        if len(self.routes) >= ROUTES_MAX:
            self.routes.clear()
            self._lines = {key: line for key, line in self._lines.items() if line.flows}
        route = Route(wanted, tuple(tuple(group) for group in groups if group), tuple(line for line in lines if line))
        tier = self.rules.of(RANKS[self.rank])
        seats = sum(lane.spec.seats for lane, _ in everyone + own)
        self.bound = max(self.bound, tier.queue_org, tier.queue_per_seat * seats)
        return route

    def _line(self, org: int | None, lanes: list[tuple[Lane[Line], int]]) -> Line | None:
        if not lanes:
            return None
        key = org, tuple(lane.id for lane, _ in lanes)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(self.rank, self.turn, tuple(lanes), self.rules)
        return line

    # --- what each has been served -------------------------------------------------------------------------------------
    def tab(self, org: int, route: Route) -> Tab:
        """The organization's counter; one that had nothing waiting gets little credit for that, and no endless debt."""
        tab = self.tabs.get(org)
        if tab is None:
            tab = self.tabs[org] = Tab(org, self.rules.weights.get(org, 1))
        elif tab.waiting:
            return tab
        elif not tab.running:
            self._idle.pop(org, None)
        start = self._start(route) if self.waiting else self.v
        least = start - self.rules.credit * self.cost // tab.weight
        tab.v = min(max(tab.v, least), start + self.rules.debt * MILLI)
        return tab

    def _start(self, route: Route) -> int:
        """Where a newcomer's counter begins: level with the one that is next in its line, or in any."""
        lines = [line for line in route.lines if line in self.busy] or self.busy
        return min(flow.tab.v for line in lines if (flow := line.first()))

    def charge(self, tab: Tab, cost: int) -> None:
        """A call of theirs was granted; `cost` is an estimate, in thousandths of a token-cost unit."""
        self.v = max(self.v, tab.v)
        self.cost += (cost - self.cost) >> 4 if self.cost else cost
        tab.v += cost // tab.weight
        self.turn.v += cost

    def correct(self, tab: Tab, more: int) -> None:
        """It costs so much more than was charged; negative: less."""
        tab.v += more // tab.weight
        self.turn.v += more
        if more < 0:
            for flow in tab.flows.values():
                flow.stamp = next(self._stamps)
                for line in flow.lines:
                    line.push(flow)

    def rest(self, tab: Tab, now: Instant) -> None:
        """A call of theirs is over. Counters of those that have been away for long, or owe nothing, are forgotten."""
        if tab.running or tab.waiting or self.tabs.get(tab.org) is not tab:
            return
        self._idle[tab.org] = now
        self._idle.move_to_end(tab.org)
        for _ in range(2):
            org, since = next(iter(self._idle.items()))
            if org == tab.org or (now - since < self.rules.idle and self.tabs[org].v > self.v):
                return
            del self._idle[org], self.tabs[org]

    # --- who waits -----------------------------------------------------------------------------------------------------
    def enqueue(self, call: Call, route: Route, now: Instant) -> None:
        tab = call.tab
        self._count(tab, 1, now)
        flow = tab.flows.get(route.lanes)
        if flow is None:
            flow = tab.flows[route.lanes] = Flow(tab, route.lanes, route.lines)
        flow.push(call)
        if not call.again:
            tab.droppable[call.ticket] = call
        if flow.size == 1:
            # Below zero: of flows that are level, the one with a call that had a seat before comes first.
            flow.stamp = -next(self._stamps) if call.again else next(self._stamps)
            for line in flow.lines:
                line.enter(flow, now)
                self.busy[line] = None

    def dequeue(self, call: Call, now: Instant, *, served: bool) -> None:
        flow = call.flow
        assert flow is not None
        tab = call.tab
        flow.remove(call, served=served)
        tab.droppable.pop(call.ticket, None)
        if not flow.size:
            for line in flow.lines:
                line.leave(now)
                if not line.flows:
                    del self.busy[line]
            del tab.flows[flow.lanes]
        self._count(tab, -1, now)
        if served:
            self.drain.served(now)

    def dropped_for(self, tab: Tab) -> Call | None:
        """When all places are taken: the newest call of the longest queue; None: that of the newcomer is the longest."""
        if tab.waiting >= self._longest:
            return None
        longest = next(iter(self._lengths[self._longest]))
        return next(reversed(longest.droppable.values()), None)

    def _count(self, tab: Tab, more: int, now: Instant) -> None:
        if more > 0 and not self.waiting:
            self.drain.begin(now)
        self.waiting += more
        old, new = tab.waiting, tab.waiting + more
        tab.waiting = new
        if old:
            del self._lengths[old][tab]
        else:
            self._weight += tab.weight
        if new:
            if new == len(self._lengths):
                self._lengths.append({})
            self._lengths[new][tab] = None
            if new > self._longest or not self._lengths[self._longest]:
                self._longest = new
        else:
            self._weight -= tab.weight
            if old == self._longest and not self._lengths[old]:
                self._longest = 0

    # --- how long --------------------------------------------------------------------------------------------------------
    def predict(self, org: int, ahead: int, route: Route | None, now: Instant) -> int:
        """Microseconds until a call of the organization is served that has so many of its own before it; 0: unknown.

        A young queue is judged by seats and how long calls keep them, an older one by what was seen of it.
        """
        if not self.seat_time:
            return 0
        weight = self.rules.weights.get(org, 1)
        tab = self.tabs.get(org)
        everybody = self._weight + (0 if tab and tab.waiting else weight)
        before = min(ahead * everybody // weight, self.waiting)
        seats = sum(lane.seats for group in route.groups for lane, _ in group) if route else 0
        if seats and (not self.waiting or self.drain.age(now) < max(5 * SECOND, 2 * self.seat_time)):
            return (before + 1) * self.seat_time // seats
        return int((before + 1) / self.drain.rate(now))

    def kept_seat(self, duration: int) -> None:
        self.seat_time += (duration - self.seat_time) >> 4 if self.seat_time else max(duration, 1)


def _standing(lane: Lane[Line], rank: int, org: int) -> tuple[int, int] | None:
    """The group and the place of a tier's or an organization's claim at a lane; None: it has no business there.

    Enterprise goes to its organization's own lanes, to those of its tier, to shared ones; the others to shared ones, to
    their organization's own, and Test to what is lent.
    """
    spec = lane.spec
    if lane.retired:
        return None
    if spec.pool == "shared":
        return 2, rank
    if spec.owner == org or (spec.owner is None and rank == ENTERPRISE):
        if rank == ENTERPRISE:
            return (0 if spec.owner == org else 1), rank
        return 3, rank
    return (3, LENT) if rank == TEST and lends(spec) else None


def _join(lanes: list[tuple[Lane[Line], int]], now: Instant) -> None:
    first: dict[str, Lane[Line]] = {}
    for lane, _ in lanes:
        pool = first.setdefault(lane.pool.name, lane).pool
        other = lane.pool
        if other is not pool:
            pool.join(other, now)
            for moved in other.lanes:
                moved.pool = pool
