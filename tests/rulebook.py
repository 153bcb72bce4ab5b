"""Limits as text: `org 7 tier flex model gpt-* itpm 600 burst 30 from 10 to 20`, and a policy of them. Times in seconds."""

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.clock import SECOND, Instant
from puyun.limits.policy import Policy
from puyun.limits.rule import Metric, Rule, Scope

MODELS = {1: "gpt-4o", 2: "gpt-4o-mini", 3: "claude-x", 4: "m"}

_METRICS = frozenset(Metric)


def claim(
    ticket: int,
    org: int = 7,
    key: int = 1,
    model: int = 1,
    tier: Tier = Tier.FLEX,
    *tokens: int,
    ip: str | None = None,
    patience: int = 0,
) -> Claim:
    """As limits look at it; `tokens`: of input and output, `patience` in µs."""
    asked, answer = tokens or (0, 0)
    return Claim(ticket, org, key, tier, model, (), asked, answer, False, patience, ip=ip)


def rule(line: str, number: int = 0) -> Rule:
    """Words in pairs; the metric's pair says the amount, `none` is no limit."""
    words = line.split()
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    metric = next(Metric(name) for name in pairs if name in _METRICS)
    amount = pairs.pop(metric)
    ip, key, org, tier, model = (pairs.pop(name, None) for name in ("ip", "key", "org", "tier", "model"))
    scope = Scope.IP if ip else Scope.KEY if key else Scope.ORGANIZATION if org else Scope.TIER
    if model and scope in {Scope.ORGANIZATION, Scope.TIER}:
        scope = Scope(f"{scope}_model")
    burst, starts, ends = (pairs.pop(name, None) for name in ("burst", "from", "to"))
    assert not pairs, pairs
    return Rule(
        id=number,
        scope=scope,
        metric=metric,
        amount=None if amount == "none" else int(amount),
        burst=int(burst) if burst else None,
        key=int(key or 0),
        org=int(org or 0),
        tier=Tier(tier) if tier else None,
        model=model,
        starts=at(starts) if starts else None,
        ends=at(ends) if ends else None,
    )


def rules(text: str) -> list[Rule]:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return [rule(line, number) for number, line in enumerate(lines, 1)]


def policy(text: str) -> Policy:
    """These rules and no defaults."""
    return Policy(rules(text), MODELS, defaults=())


def at(seconds: str | float) -> Instant:
    return Instant(round(float(seconds) * SECOND))
