"""A scheduler played by a script: one event a line, and after the bar what it must decide.

    lane 1 shared seats=2 own rpm=60
    0   flex 10 by 7 wait=30     | grant 10 at 1
    0.5 begin 10                 | -
    2   end 10 ok output=40      | -
    2   test 11 by 8             | refused 11 queue_full

Times are seconds. A script that leaves out the bar does not care. `wake` must have something to do.
"""

from collections.abc import Sequence

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.scheduler.attempt import Signal, SignalKind, Spent
from puyun.scheduler.decision import Decision, Grant, Refusal
from puyun.scheduler.lane import Facts, LaneSpec
from puyun.scheduler.rules import DEFAULTS, Rules
from puyun.scheduler.scheduler import Scheduler

TIERS = {tier.value: tier for tier in Tier}


def claim(ticket: int, tier: Tier = Tier.FLEX, **changes: object) -> Claim:
    plain = {
        "ticket": ticket,
        "org": 1,
        "key": 1,
        "tier": tier,
        "model": 1,
        "lanes": (1,),
        "input": 100,
        "output": 50,
        "stream": True,
        "max_wait": 30 * SECOND,
    }
    return Claim(**plain | changes)


def lane(id_: int = 1, pool: str = "shared", **changes: object) -> LaneSpec:
    owner = int(pool.split(":")[1]) if pool.startswith("dedicated") else None
    return LaneSpec(**{"id": id_, "pool": pool, "owner": owner, "seats": 2} | changes)


class Play:
    def __init__(self, script: str = "", rules: Rules = DEFAULTS) -> None:
        self.scheduler = Scheduler(rules)
        self.lanes: dict[int, LaneSpec] = {}
        self.said: list[Decision] = []
        self.run(script)

    def run(self, script: str) -> "Play":
        for line in script.strip().splitlines():
            event, bar, expected = (part.strip() for part in line.partition("|"))
            if event:
                self.said = self._do(event.split())
                if bar:
                    assert told(self.said) == (expected if expected != "-" else ""), line
        return self

    def _do(self, words: list[str]) -> list[Decision]:
        if words[0] == "lane":
            pool = words[2]
            numbers = {name: int(value) for name, value in _named(words[3:]).items()}
            spec = lane(int(words[1]), pool, own="own" in words, lend="lend" in words, **numbers)
            self.lanes[spec.id] = spec
            return self.scheduler.configure(self.lanes, self.scheduler._now)
        now, verb, rest = Instant(round(float(words[0]) * SECOND)), words[1], words[2:]
        if verb in TIERS:
            return self._arrive(TIERS[verb], rest, now)
        if verb == "wake":
            due = self.scheduler.next_wake
            assert due is not None
            assert due <= now, f"nothing to do before {due}"
            return self.scheduler.wake(now)
        if verb == "remove":
            del self.lanes[int(rest[0])]
            return self.scheduler.configure(self.lanes, now)
        named = {name: int(value) for name, value in _named(rest[1:]).items()}
        if verb in {"begin", "cancel"}:
            return getattr(self.scheduler, verb)(int(rest[0]), now)
        if verb == "progress":
            return self.scheduler.progress(int(rest[0]), named["output"], now)
        if verb == "engine":
            return self.scheduler.observe(int(rest[0]), Facts(**named), now)
        return self._attempt_over(verb, rest, named, now)

    def _arrive(self, tier: Tier, words: list[str], now: Instant) -> list[Decision]:
        named = _named(words)
        org = int(words[words.index("by") + 1]) if "by" in words else 1
        numbers = {name: int(named[name]) for name in ("key", "model", "priority", "input", "output") if name in named}
        lanes = tuple(map(int, named["lanes"].split(","))) if "lanes" in named else tuple(self.lanes)
        wait = round(float(named.get("wait", self.scheduler.rules.of(tier).max_wait / SECOND)) * SECOND)
        asked = {"org": org, "key": org, "lanes": lanes, "max_wait": wait} | numbers
        return self.scheduler.arrive(claim(int(words[0]), tier, **asked), now)

    def _attempt_over(self, verb: str, rest: list[str], named: dict[str, int], now: Instant) -> list[Decision]:
        kind = next((SignalKind(word) for word in rest if word in set(SignalKind)), SignalKind.OK)
        bucket = next((word for word in rest if word in {"rpm", "itpm", "otpm"}), None)
        after = named.pop("after", None)
        signal = Signal(kind, None if after is None else after * SECOND, bucket)
        if verb == "elsewhere":
            return self.scheduler.elsewhere(int(rest[0]), signal, now)
        assert verb == "end", verb
        spent = Spent(**named) if named else Spent(fresh=100, output=50)
        return self.scheduler.end(int(rest[0]), spent, signal, now)


def told(decisions: Sequence[Decision]) -> str:
    return ", ".join(_told(decision) for decision in decisions)


def _told(decision: Decision) -> str:
    if isinstance(decision, Grant):
        return f"grant {decision.ticket} at {decision.lane}"
    if isinstance(decision, Refusal):
        return f"refused {decision.ticket} {decision.why}"
    return f"preempted {decision.ticket}"


def _named(words: list[str]) -> dict[str, str]:
    return dict(word.split("=") for word in words if "=" in word)
