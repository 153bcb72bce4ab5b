"""The rule book, compiled: which limits are in force for a key, a model and a tier at a moment."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, SECOND, Instant
from puyun.limits.rule import AT_A_TIME, Metric, Rule, Scope
from puyun.limits.table import DEFAULTS

BURSTS = {Metric.RPM: 10, Metric.RPD: DAY // SECOND, Metric.TPD: DAY // SECOND}
"""Seconds of a rate that may come at once where no rule says so."""

TOKEN_BURST = 60


class Policy:
    """Immutable. `models` are the catalogue's numbers and names; `rules` come on top of the defaults."""

    def __init__(
        self,
        rules: Iterable[Rule] = (),
        models: Mapping[int, str] | None = None,
        *,
        defaults: Iterable[Rule] = DEFAULTS,
        revision: int = 0,
    ) -> None:
        self.revision = revision
        self.models = dict(models or {})
        self.rules = (*defaults, *rules)
        self._keys: defaultdict[int, list[Rule]] = defaultdict(list)
        self._orgs: defaultdict[int, list[Rule]] = defaultdict(list)
        self._tiers: list[Rule] = []
        self._addresses: list[Rule] = []
        for rule in self.rules:
            self._place(rule).append(rule)
        self._changes = sorted({at for rule in self.rules for at in (rule.starts, rule.ends) if at is not None})

    def _place(self, rule: Rule) -> list[Rule]:
        match rule.scope:
            case Scope.KEY:
                return self._keys[rule.key]
            case Scope.ORGANIZATION_MODEL | Scope.ORGANIZATION:
                return self._orgs[rule.org]
            case Scope.TIER_MODEL | Scope.TIER:
                return self._tiers
            case Scope.IP:
                return self._addresses

    def next_change(self, now: Instant) -> Instant | None:
        """When a rule next begins or ends."""
        place = bisect_right(self._changes, now)
        return self._changes[place] if place < len(self._changes) else None

    def effective(self, key: int, org: int, model: int, tier: Tier, now: Instant) -> dict[Metric, tuple[Rule, ...]]:
        """The rules in force, by metric and in the order of Metric, their bursts filled in.

        The first is the most specific: key before organization × model, organization, tier × model, tier. A wider
        rule of the organization or its tier follows only where it allows as much or more, for then the more specific
        one narrows it and the call counts against both; one that allows more than the wider ones stands alone.
        """
        name = self.models.get(model, "")
        chains: defaultdict[Metric, list[Rule]] = defaultdict(list)
        for rule in self._chain(key, org, name, tier, now):
            chains[rule.metric].append(rule)
        return {metric: _in_force(chains[metric]) for metric in Metric if metric in chains}

    def of_address(self, now: Instant) -> dict[Metric, Rule]:
        """The rates of every single network address."""
        active = [rule for rule in self._addresses if rule.metric not in AT_A_TIME and _active(rule, now)]
        found = {rule.metric: rule for rule in sorted(active, key=lambda rule: rule.id)}
        return {metric: _with_burst(found[metric], ()) for metric in Metric if metric in found}

    def _chain(self, key: int, org: int, model: str, tier: Tier, now: Instant) -> Iterator[Rule]:
        """Rules that apply, the most specific first."""
        for rules in (self._keys.get(key, ()), self._orgs.get(org, ()), self._tiers):
            found = [rule for rule in rules if _applies(rule, model, tier, now)]
            yield from sorted(found, key=_specificity, reverse=True)


def matches(pattern: str, model: str) -> bool:
    """Whether a name is meant by a pattern, in which `*` stands for anything."""
    if "*" not in pattern:
        return pattern == model
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), model) is not None


def _applies(rule: Rule, model: str, tier: Tier, now: Instant) -> bool:
    if rule.tier not in {None, tier} or not _active(rule, now):
        return False
    return rule.model is None or matches(rule.model, model)


def _active(rule: Rule, now: Instant) -> bool:
    return (rule.starts is None or rule.starts <= now) and (rule.ends is None or now < rule.ends)


def _specificity(rule: Rule) -> tuple[bool, bool, int, bool, int]:
    """Within one subject: a model before none, a name before a pattern, a longer pattern, a tier, then the later."""
    model = rule.model or ""
    return rule.model is not None, "*" not in model, len(model.replace("*", "")), rule.tier is not None, rule.id


def _in_force(chain: list[Rule]) -> tuple[Rule, ...]:
    """One rule for each scope, as `effective` says. The tier's rules are there for who has none of its own."""
    best: dict[Scope, Rule] = {}
    for rule in chain:
        best.setdefault(rule.scope, rule)
    if Scope.ORGANIZATION_MODEL in best or Scope.ORGANIZATION in best:
        best.pop(Scope.TIER_MODEL, None)
        best.pop(Scope.TIER, None)
    elif Scope.TIER_MODEL in best:
        best.pop(Scope.TIER, None)
    found: list[Rule] = []
    for rule in best.values():
        if not found or _as_much(rule.amount, found[-1].amount):
            found.append(_with_burst(rule, chain[chain.index(rule) :]))
    return tuple(found)


def _as_much(amount: int | None, other: int | None) -> bool:
    return amount is None or (other is not None and amount >= other)


def _with_burst(rule: Rule, wider: Iterable[Rule]) -> Rule:
    """Who sets an amount alone leaves in force the burst of the next wider rule."""
    if rule.burst is not None or rule.metric in AT_A_TIME:
        return rule
    bursts = (each.burst for each in wider if each.burst is not None)
    return msgspec.structs.replace(rule, burst=next(bursts, BURSTS.get(rule.metric, TOKEN_BURST)))
