"""What must be true after every event, counted from outside: by calls that wait, seats that are free, and nothing else."""

from puyun.catalog.model import Tier
from puyun.scheduler.rules import DEFAULTS
from puyun.sim.scenario import Scenario
from puyun.sim.tiers.call import Call

EXAMPLES = 3


class Budget:
    """What taking seats back may waste of a lane: so much of its seat time, saved up over a window, in microseconds."""

    def __init__(self, seats: int) -> None:
        self._rate = DEFAULTS.preempt_share * seats
        self._left = self._most = self._rate * DEFAULTS.preempt_window
        self._since = 0

    def at(self, now: int) -> int:
        """Thousandths; below zero nothing is lent until it has grown again."""
        self._left = min(self._left + self._rate * (now - self._since), self._most)
        self._since = now
        return self._left

    def take(self, duration: int, now: int) -> None:
        self._left = self.at(now) - duration * 1_000


class Watch:
    """Counts violations and keeps the first few. `pooled`: a policy to which all seats are one pool.

    Work conservation is watched where it can be told from outside: at lanes that never refuse and have no token limits, in
    scenarios where calls wait for seats alone.
    """

    def __init__(self, scenario: Scenario, *, pooled: bool) -> None:
        self.violations = 0
        self.examples: list[str] = []
        self._pooled = pooled
        self._sources = scenario.sources
        self._lanes = {each.id: each for each in scenario.upstreams}
        self._free = {each.id: each.seats for each in scenario.upstreams}
        self._lends = scenario.lending and not pooled
        self._waiting = dict.fromkeys(self._lanes, 0)
        self._borrowing = dict.fromkeys(self._lanes, 0)
        """Calls that might have a seat there that is lent."""
        self._budgets = {each.id: Budget(each.seats) for each in scenario.upstreams}
        self._told = [] if scenario.limits else [each.id for each in scenario.upstreams if each.plain]
        self._newest: dict[int, int] = {}
        """By key, when its newest call that was given a seat had asked."""

    def look(self, now: int) -> None:
        """After an event and all that was decided on it; at most one violation each time."""
        for lane in self._told:
            free = self._free[lane]
            if free > 0 and self._waiting[lane]:
                self._found(f"at {now}: {free} seats of lane {lane} are free, {self._waiting[lane]} calls wait for one")
                return
            if free > DEFAULTS.kept_back and self._borrowing[lane] and self._budgets[lane].at(now) >= 0:
                self._found(
                    f"at {now}: {free} seats of lane {lane} lie idle, {self._borrowing[lane]} calls would borrow"
                )
                return

    def waits(self, call: Call) -> None:
        self._count(call, 1)

    def gone(self, call: Call) -> None:
        """Out of the queue, without a seat."""
        self._count(call, -1)

    def granted(self, call: Call, max_wait: int) -> None:
        self._count(call, -1)
        lane = call.lane
        self._free[lane] -= 1
        if self._free[lane] < 0:
            self._found(f"at {call.granted}: lane {lane} has fewer seats than calls")
        if lane not in self._of(call) or not (self._may(call, lane) or self._may_borrow(call, lane)):
            self._found(f"at {call.granted}: a seat of lane {lane} for {call.tier} of {call.org}, whose it is not")
        waited = call.granted - call.asked - call.held
        if waited > max_wait:
            self._found(f"at {call.granted}: a seat after a wait of {waited}")
        self._in_order(call)

    def freed(self, lane: int) -> None:
        self._free[lane] += 1

    def wasted(self, lane: int, duration: int, now: int) -> None:
        """A call lost its seat after so long."""
        self._budgets[lane].take(duration, now)

    def _in_order(self, call: Call) -> None:
        """Calls of a key come to their seats as they were asked, but for those that stood in line again."""
        if not call.again:
            if call.asked < self._newest.get(call.key, 0):
                self._found(f"at {call.granted}: key {call.key} is served out of order")
            self._newest[call.key] = call.asked

    def _count(self, call: Call, change: int) -> None:
        for lane in self._of(call):
            if lane in call.failed:
                continue
            if self._may(call, lane):
                self._waiting[lane] += change
            elif self._may_borrow(call, lane):
                self._borrowing[lane] += change

    def _of(self, call: Call) -> tuple[int, ...]:
        lanes = () if self._pooled else self._sources[call.source].lanes
        return lanes or tuple(self._lanes)

    def _may(self, call: Call, lane: int) -> bool:
        upstream = self._lanes[lane]
        if self._pooled or upstream.pool == "shared":
            return True
        return call.tier is Tier.ENTERPRISE and upstream.owner in {None, call.org}

    def _may_borrow(self, call: Call, lane: int) -> bool:
        return self._lends and self._lanes[lane].own and call.tier is Tier.TEST

    def _found(self, what: str) -> None:
        self.violations += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(what)
