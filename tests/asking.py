"""Asks, lanes and deciders for tests of the arbiter."""

from itertools import count
from typing import Any

from puyun.arbiter.decider import Decider
from puyun.arbiter.message import Configuration
from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.limits.limits import Limits
from puyun.limits.policy import Policy
from puyun.limits.rule import Metric, Rule, Scope
from puyun.scheduler.lane import LaneSpec
from puyun.scheduler.scheduler import Scheduler

_tickets = count(1)

FREE = tuple(Rule(scope=Scope.TIER, tier=tier, metric=metric, amount=None, id=1) for tier in Tier for metric in Metric)
"""No limit for anybody."""


def ask(lanes: tuple[int, ...] = (1,), tier: Tier = Tier.FLEX, **changes: Any) -> Claim:
    """A call of organization 1 that waits for 30 s."""
    fields: dict[str, Any] = {
        "ticket": next(_tickets),
        "org": 1,
        "key": 1,
        "tier": tier,
        "model": 1,
        "lanes": lanes,
        "input": 100,
        "output": 50,
        "stream": True,
        "max_wait": 30_000_000,
    }
    return Claim(**(fields | changes))


def lane(number: int = 1, seats: int = 2, **changes: Any) -> LaneSpec:
    return LaneSpec(id=number, seats=seats, **changes)


def configuration(*lanes: LaneSpec, rules: tuple[Rule, ...] = FREE, revision: int = 1) -> Configuration:
    return Configuration(revision, lanes, rules, {1: "m"})


def decider() -> Decider:
    return Decider(Scheduler(), Limits(Policy()))
