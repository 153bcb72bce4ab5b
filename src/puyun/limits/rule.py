"""The words limits are written in: what is counted, whose it is, and one line of the rule book."""

from enum import StrEnum

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, MINUTE, SECOND, Instant


class Metric(StrEnum):
    """What is counted. Rates are per minute (`…m`) or per day (`…d`), the last two are how many at a time."""

    RPM = "rpm"
    ITPM = "itpm"
    OTPM = "otpm"
    TPM = "tpm"
    RPD = "rpd"
    TPD = "tpd"
    IN_FLIGHT = "in_flight"
    QUEUED = "queued"


WINDOWS = {
    Metric.RPM: MINUTE,
    Metric.ITPM: MINUTE,
    Metric.OTPM: MINUTE,
    Metric.TPM: MINUTE,
    Metric.RPD: DAY,
    Metric.TPD: DAY,
}
"""The time, in microseconds, in which a rate lets its amount through. What is counted at a time has none."""

REQUESTS = frozenset({Metric.RPM, Metric.RPD})
AT_A_TIME = frozenset({Metric.IN_FLIGHT, Metric.QUEUED})


AMOUNT_MAX = 10**12
BURST_MAX = 31 * DAY // SECOND


class Scope(StrEnum):
    """Whose limit it is, the most specific first; `ip` stands beside the others."""

    IP = "ip"
    KEY = "key"
    ORGANIZATION_MODEL = "organization_model"
    ORGANIZATION = "organization"
    TIER_MODEL = "tier_model"
    TIER = "tier"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """Whose calls a rule is for: every network address, a key's, an organization's, or those of everybody at a tier."""

    org: int | None = None
    key: int | None = None
    tier: Tier | None = None
    """With an organization or a key: only their calls at this tier."""
    model: str | None = None

    @property
    def scope(self) -> Scope:
        if self.key is not None:
            return Scope.KEY
        if self.org is not None:
            return Scope.ORGANIZATION if self.model is None else Scope.ORGANIZATION_MODEL
        if self.tier is not None:
            return Scope.TIER if self.model is None else Scope.TIER_MODEL
        return Scope.IP


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One limit as somebody set it. It is in force from `starts` until just before `ends` (None: always)."""

    scope: Scope
    metric: Metric
    amount: int | None
    """Requests or tokens per window, or how many at a time. None: as many as they like; 0: nothing at all."""
    burst: int | None = None
    """Seconds of the rate that may come at once. None: 10 for rpm, 60 for tokens a minute, the day for a day's."""
    org: int = 0
    key: int = 0
    tier: Tier | None = None
    """Only calls at this tier; required of the scopes `tier` and `tier_model`."""
    model: str | None = None
    """A name, or a pattern with `*`. Every model it matches has the amount for itself. None: all models together."""
    starts: Instant | None = None
    ends: Instant | None = None
    why: str = ""
    by: str = ""
    id: int = 0
    """Row number; of two rules that are equally specific, the later one wins. 0: a default of the program."""
    created_at: Instant | None = None

    def __post_init__(self) -> None:
        """A rule that contradicts itself is a bug of whoever made it: ValueError."""
        modelled = self.scope in {Scope.ORGANIZATION_MODEL, Scope.TIER_MODEL}
        whole = self.scope in {Scope.ORGANIZATION, Scope.TIER, Scope.IP}
        if (modelled and self.model is None) or (whole and self.model is not None):
            raise ValueError(f"{self.scope} and the model {self.model!r} do not go together")
        if self.scope in {Scope.TIER, Scope.TIER_MODEL} and self.tier is None:
            raise ValueError(f"{self.scope} needs a tier")
        if self.amount is not None and not 0 <= self.amount <= AMOUNT_MAX:
            raise ValueError(f"an amount is between 0 and {AMOUNT_MAX}, not {self.amount}")
        if self.burst is not None and not 0 < self.burst <= BURST_MAX:
            raise ValueError(f"a burst is between 1 and {BURST_MAX} seconds, not {self.burst}")
