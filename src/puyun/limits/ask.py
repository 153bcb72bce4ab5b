"""What is asked of the limits, and what they answer."""

import msgspec

from puyun.catalog.model import Tier
from puyun.limits.rule import Metric, Rule, Scope


class Ask(msgspec.Struct, frozen=True):
    """A call that wants to be let in. `input` and `output` are estimates in tokens; `correct` puts them right."""

    ticket: int
    org: int
    key: int
    model: int
    """The catalogue's number of the model."""
    tier: Tier
    input: int
    output: int
    ip: str | None = None
    patience: int = 0
    """Microseconds it may be kept back until a rate lets it pass; 0: now or never."""


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


class Passed:
    """Let in. `waiting`: not yet in flight, a `release` of another call names it when it is. `delay`: microseconds to
    keep it back, never more than its patience.
    """

    __slots__ = ("delay", "readings", "waiting")

    def __init__(self, readings: tuple[Reading, ...], *, waiting: bool = False, delay: int = 0) -> None:
        self.readings = readings
        self.waiting = waiting
        self.delay = delay


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
