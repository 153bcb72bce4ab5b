"""How a limit stands, and why a call is not let in."""

import msgspec

from puyun.limits.rule import Metric, Rule, Scope


class Reading(msgspec.Struct, frozen=True):
    """How one limit stands at one moment."""

    metric: Metric
    scope: Scope
    limit: int
    """Per window, or at a time."""
    burst: int
    """What fits in at once when nothing is used: `used + remaining`, but for a debt."""
    used: int
    """Not yet forgotten, rounded up; more than `burst` where calls cost more than was estimated."""
    remaining: int
    """What would be let through now."""
    reset: int
    """Microseconds until nothing is used; 0 for what is counted at a time."""
    window: int
    """Microseconds; 0 for what is counted at a time."""


class Row(msgspec.Struct, frozen=True):
    """A line of `GET /v1/limits`: how a limit stands, and the rule it comes from."""

    reading: Reading
    rule: Rule


class Over(msgspec.Struct, frozen=True):
    """Not let in, and nothing was counted. Of several limits that refuse, the one that refuses longest."""

    scope: Scope
    metric: Metric
    limit: int
    used: int
    wait: int | None
    """Microseconds after which the same call would pass; None: it never can, it is larger than the limit itself."""
    readings: tuple[Reading, ...]
    rule: Rule
