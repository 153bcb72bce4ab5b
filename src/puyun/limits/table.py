"""What each tier may do unless somebody said otherwise: per organization, and rates per model.

Flex is for small to medium projects; Enterprise's row is where a contract begins.
"""

from puyun.catalog.model import Tier
from puyun.limits.rule import Metric, Rule, Scope

_AMOUNTS = {
    Tier.TEST: {"rpm": 20, "itpm": 40_000, "otpm": 8_000, "in_flight": 4, "queued": 16},
    Tier.FLEX: {"rpm": 300, "itpm": 600_000, "otpm": 120_000, "in_flight": 16, "queued": 32},
    Tier.ENTERPRISE: {"rpm": 3_000, "itpm": 5_000_000, "otpm": 1_000_000, "in_flight": 64, "queued": 64},
}

_REQUEST_BURST = {Tier.TEST: 10, Tier.FLEX: 10, Tier.ENTERPRISE: 60}
_TOKEN_BURST = 60
_BURSTS = {Metric.ITPM: _TOKEN_BURST, Metric.OTPM: _TOKEN_BURST}

DEFAULTS = tuple(
    Rule(
        scope=Scope.TIER,
        tier=tier,
        metric=Metric(name),
        amount=amount,
        burst=_REQUEST_BURST[tier] if name == Metric.RPM else _BURSTS.get(Metric(name)),
        by="default",
    )
    for tier, amounts in _AMOUNTS.items()
    for name, amount in amounts.items()
)
