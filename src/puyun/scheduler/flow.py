"""A call, its organization's counter, its organization's queue, and the line in which these queues take turns."""

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from puyun.claim import Claim
from puyun.kit.clock import Instant
from puyun.scheduler.lane import Lane
from puyun.scheduler.rules import Rules


class Call:
    """A claim that waits (`lane` is None) or runs."""

    __slots__ = (
        "again",
        "arrived",
        "begun",
        "charged",
        "claim",
        "deadline",
        "flow",
        "granted",
        "lane",
        "lanes",
        "lent",
        "output",
        "preempted",
        "rank",
        "retries",
        "short_since",
        "tab",
        "ticket",
    )

    def __init__(self, claim: Claim, arrived: Instant, rank: int, tab: "Tab") -> None:
        self.claim = claim
        self.arrived = arrived
        self.ticket = claim.ticket
        self.rank = rank
        self.tab = tab
        self.lanes = claim.lanes
        """Without those that failed it."""
        self.lane: Lane[Line] | None = None
        self.flow: Flow | None = None
        self.deadline = Instant(arrived + claim.max_wait)
        self.granted = arrived
        self.charged: int | None = None
        """Thousandths of a token-cost unit, on the counter; None where the lane is its organization's own."""
        self.output = 0
        """Output tokens within it."""
        self.retries = 0
        self.preempted = 0
        self.again = False
        """It had a seat before: it waits at the head, and is not dropped."""
        self.begun = False
        self.lent = False
        self.short_since: Instant | None = None
        """Since when it has been the next one and only tokens were lacking."""


class Tab:
    """What an organization has been served at one tier of one model: its virtual counter."""

    __slots__ = ("droppable", "flows", "org", "running", "v", "waiting", "weight")

    def __init__(self, org: int, weight: int) -> None:
        self.org = org
        self.weight = weight
        self.v = 0
        """Thousandths of a token-cost unit, divided by the weight."""
        self.waiting = 0
        self.running = 0
        self.flows: dict[tuple[int, ...], Flow] = {}
        """By the lanes that their calls can use."""
        self.droppable: OrderedDict[int, Call] = OrderedDict()
        """Waiting calls that never had a seat, oldest first."""


class Flow:
    """Waiting calls of one organization that can use the same lanes.

    Those that had a seat before come first, then API keys take turns; of one key the lowest priority number, then the
    oldest.
    """

    __slots__ = ("_again", "_keys", "lanes", "lines", "size", "stamp", "tab")

    def __init__(self, tab: Tab, lanes: tuple[int, ...], lines: "tuple[Line, ...]") -> None:
        self.tab = tab
        self.lanes = lanes
        self.lines = lines
        """For the lanes that all may use, and for its organization's own."""
        self.size = 0
        self.stamp = 0
        """Of its valid entry in the heaps of its lines."""
        self._again: OrderedDict[int, Call] = OrderedDict()
        self._keys: OrderedDict[int, dict[int, OrderedDict[int, Call]]] = OrderedDict()

    def push(self, call: Call) -> None:
        call.flow = self
        self.size += 1
        if call.again:
            self._again[call.ticket] = call
            self._again.move_to_end(call.ticket, last=False)
            return
        claim = call.claim
        turns = self._keys.get(claim.key)
        if turns is None:
            turns = self._keys[claim.key] = {}
        queue = turns.get(claim.priority)
        if queue is None:
            queue = turns[claim.priority] = OrderedDict()
        queue[call.ticket] = call

    def head(self) -> Call:
        """The next one; the flow is not empty."""
        if self._again:
            return next(iter(self._again.values()))
        turns = next(iter(self._keys.values()))
        queue = turns[min(turns)] if len(turns) > 1 else next(iter(turns.values()))
        return next(iter(queue.values()))

    def remove(self, call: Call, *, served: bool = False) -> None:
        """`served`: it was its key's turn, and the next key's is next."""
        call.flow = None
        self.size -= 1
        if call.again:
            del self._again[call.ticket]
            return
        key, priority = call.claim.key, call.claim.priority
        turns = self._keys[key]
        queue = turns[priority]
        del queue[call.ticket]
        if not queue:
            del turns[priority]
            if not turns:
                del self._keys[key]
                return
        if served:
            self._keys.move_to_end(key)

    def __iter__(self) -> Iterator[Call]:
        """All of them, in no order between keys."""
        yield from self._again.values()
        for turns in self._keys.values():
            for priority in sorted(turns):
                yield from turns[priority].values()

    def ahead(self, call: Call) -> int:
        """How many of the flow are served before this one, if no other comes."""
        if call.again:
            return list(self._again).index(call.ticket)
        before, own = True, 0
        counts: list[tuple[int, bool]] = []
        for key, turns in self._keys.items():
            if key == call.claim.key:
                order = [ticket for priority in sorted(turns) for ticket in turns[priority]]
                own, before = order.index(call.ticket), False
            else:
                counts.append((sum(len(queue) for queue in turns.values()), before))
        return len(self._again) + own + sum(min(size, own + first) for size, first in counts)


class Turn:
    """What one tier of a model has been served: its counter among the models that share its lanes."""

    __slots__ = ("v",)

    def __init__(self) -> None:
        self.v = 0


class Short(NamedTuple):
    """The next call lacks tokens for so many µs. `kept`: those that come are for it."""

    wait: int
    kept: bool


class Line:
    """Flows of one tier of one model that can use the same lanes: the one whose organization had least is next.

    A heap that is put right lazily: an entry is valid if its stamp is its flow's; if the counter has grown since, the
    entry sinks when it comes to the top.
    """

    __slots__ = ("_heap", "_rules", "flows", "lanes", "rank", "turn")

    def __init__(self, rank: int, turn: Turn, lanes: "tuple[tuple[Lane[Line], int], ...]", rules: Rules) -> None:
        self.rank = rank
        self.turn = turn
        self.lanes = lanes
        """Each with the place where this line stands there."""
        self.flows = 0
        """Those with calls."""
        self._rules = rules
        self._heap: list[tuple[int, int, Flow]] = []

    def enter(self, flow: Flow, now: Instant) -> None:
        """It has calls from now on."""
        self.flows += 1
        if self.flows == 1:
            for lane, place in self.lanes:
                lane.line_up(self, place, now)
                self.turn.v = max(self.turn.v, lane.pool.turns[place])
        self.push(flow)

    def leave(self, now: Instant) -> None:
        """A flow has no calls any more."""
        self.flows -= 1
        if not self.flows:
            self._heap.clear()
            for lane, place in self.lanes:
                lane.step_out(self, place, now)

    def push(self, flow: Flow) -> None:
        """With a new stamp: the flow is new here, or its counter has fallen."""
        if len(self._heap) > 2 * self.flows + 64:
            self._heap = [entry for entry in self._heap if entry[2].size and entry[1] == entry[2].stamp]
            heapq.heapify(self._heap)
        heapq.heappush(self._heap, (flow.tab.v, flow.stamp, flow))

    def first(self) -> Flow | None:
        heap = self._heap
        while heap:
            v, stamp, flow = heap[0]
            if not flow.size or stamp != flow.stamp:
                heapq.heappop(heap)
            elif v < flow.tab.v:
                heapq.heapreplace(heap, (flow.tab.v, stamp, flow))
            else:
                return flow
        return None

    def next_for(self, lane: "Lane[Line]", now: Instant) -> Call | Short:
        """Who gets a free seat of this lane; the line is not empty.

        A head that lacks tokens may be passed by a few others, but not for long: small calls must not starve a large one.
        """
        flow = self.first()
        assert flow is not None
        call = flow.head()
        wait = lane.wait(self.rank, call.claim.input, call.claim.output, now)
        if not wait:
            return call
        if call.short_since is None:
            call.short_since = now
        if now - call.short_since >= self._rules.skip_for:
            return Short(wait, kept=True)
        return self._passing(lane, now) or Short(wait, kept=False)

    def _passing(self, lane: "Lane[Line]", now: Instant) -> Call | None:
        passed = [heapq.heappop(self._heap)]
        found = None
        while found is None and len(passed) <= self._rules.skip_flows and (flow := self.first()):
            call = flow.head()
            if lane.wait(self.rank, call.claim.input, call.claim.output, now):
                passed.append(heapq.heappop(self._heap))
            else:
                found = call
        for entry in passed:
            heapq.heappush(self._heap, entry)
        return found
