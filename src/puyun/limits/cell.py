"""What one limit remembers: a rate by its theoretical arrival time (GCRA), or a count of calls.

Whole numbers only. A rate lets `amount` units through in `window` microseconds, so a unit takes window / amount, which is
no whole number; hence every time of a rate is multiplied by its amount, and a unit takes `window` of those. Nothing is ever
rounded but for display.
"""

from typing import NamedTuple

from puyun.kit.clock import SECOND, Instant
from puyun.limits.reading import Reading
from puyun.limits.rule import REQUESTS, WINDOWS, Metric, Rule, Scope


class Spot(NamedTuple):
    """Which cell a rule counts a call in."""

    who: str
    """`key`, `org` or `ip`."""
    subject: int | str
    model: int
    """0: all models together."""
    tier: str
    """Empty: all tiers together."""
    metric: Metric


class Rate:
    """Generic cell rate algorithm with amounts: a leaky vessel that holds `capacity` and drains by `amount`.

    `tat`, `capacity` and what `backlog` returns are microseconds × amount, which is units × window.
    """

    __slots__ = ("amount", "capacity", "metric", "rule", "scope", "shares", "tat", "window")

    def __init__(self, rule: Rule) -> None:
        self.tat = 0
        self.shares = 0
        """How many vectors hold it."""
        self._follow(rule)

    def _follow(self, rule: Rule) -> None:
        assert rule.amount is not None
        assert rule.burst is not None
        self.rule, self.metric, self.scope = rule, rule.metric, rule.scope
        self.window = WINDOWS[rule.metric]
        self.amount = rule.amount
        self.capacity = rule.burst * SECOND * rule.amount
        if rule.metric in REQUESTS and rule.amount:
            self.capacity = max(self.capacity, self.window)  # one request always fits

    def backlog(self, now: Instant) -> int:
        """What is used and not yet forgotten."""
        return max(self.tat - now * self.amount, 0)

    def follow(self, rule: Rule, at: Instant) -> None:
        """Go by another rule from `at` on; the units used by then stay used."""
        used = self.backlog(at)
        self._follow(rule)
        self.tat = at * self.amount + used

    def add(self, units: int, now: Instant) -> None:
        """Count more, or less. A debt is at most one capacity; less than nothing used is nothing used."""
        used = self.backlog(now)
        wanted = used + units * self.window
        if units > 0:
            wanted = min(wanted, max(used, 2 * self.capacity))
        self.tat = now * self.amount + wanted

    def exhaust(self, at: Instant) -> None:
        """All that fits in at once is used at that moment."""
        self.tat = at * self.amount + self.capacity

    def idle(self, now: Instant) -> bool:
        """As good as new."""
        return self.tat <= now * self.amount

    def state(self, now: Instant) -> tuple[int, int]:
        """`remaining` and `reset` of its reading, for those who need no more."""
        backlog = self.tat - now * self.amount
        if backlog <= 0:
            return self.capacity // self.window, 0
        return max(self.capacity - backlog, 0) // self.window, -(-backlog // self.amount) if self.amount else 0

    def reading(self, now: Instant) -> Reading:
        backlog = max(self.tat - now * self.amount, 0)
        window, amount, left = self.window, self.amount, self.capacity - backlog
        return Reading(
            self.metric,
            self.scope,
            amount,
            self.capacity // window,
            -(-backlog // window),
            left // window if left > 0 else 0,
            -(-backlog // amount) if amount else 0,
            window,
        )


class Count:
    """How many calls are in flight, or wait."""

    __slots__ = ("amount", "metric", "rule", "scope", "shares", "value")

    def __init__(self, rule: Rule) -> None:
        assert rule.amount is not None
        self.rule, self.metric, self.scope = rule, rule.metric, rule.scope
        self.amount = rule.amount
        self.value = 0
        self.shares = 0

    def idle(self, _now: Instant) -> bool:
        return self.value == 0

    def state(self, _now: Instant) -> tuple[int, int]:
        """As of a rate."""
        return max(self.amount - self.value, 0), 0

    def reading(self, _now: Instant) -> Reading:
        amount, used = self.amount, self.value
        return Reading(self.metric, self.scope, amount, amount, used, amount - used if amount > used else 0, 0, 0)


def spot(rule: Rule, org: int, model: int, tier: str) -> Spot:
    """Where a rule counts the calls of an organization for a model at a tier.

    A rule that names a tier counts its calls apart; one with a model, each model's. A tier's own rules count each
    organization, its rates by model and what is at a time for all models.
    """
    metric = rule.metric
    modelled = rule.model is not None or (rule.scope is Scope.TIER and metric in WINDOWS)
    who, subject = ("key", rule.key) if rule.scope is Scope.KEY else ("org", org)
    return Spot(who, subject, model if modelled else 0, "" if rule.tier is None else tier, metric)
