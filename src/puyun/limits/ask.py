"""What is asked of the limits, and what they answer."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
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


class Standing(Protocol):
    """What can say how it stands."""

    def reading(self, now: Instant, /) -> Reading: ...

    def state(self, now: Instant, /) -> tuple[int, int]:
        """`remaining` and `reset` of its reading."""
        ...


class Counted(Protocol):
    """What a call was counted in."""

    shape: object

    def cells(self) -> Iterable[Standing]: ...


class Passed(msgspec.Struct, frozen=True):
    """Let in, and counted."""

    vector: Counted
    now: Instant
    waiting: bool = False
    """Not yet in flight: a `release` of another call names it when it is."""
    delay: int = 0
    """Microseconds to keep it back before it goes on, never more than its patience."""

    @property
    def readings(self) -> tuple[Reading, ...]:
        """How its limits stand, as far as they were used when this is asked; at the time of the decision."""
        return tuple(cell.reading(self.now) for cell in self.vector.cells())


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
