"""What a simulation is of: who calls, how often, how long; and how the upstreams truly behave. Times in microseconds."""

from collections.abc import Mapping

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import SECOND
from puyun.sim.trace import FIRST_TOKEN_MS, Arrival

FIRST_TOKEN = FIRST_TOKEN_MS * 1_000

Steps = tuple[tuple[int, int], ...]
"""(from, value) in order of time; before the first there is none."""


class Poisson(msgspec.Struct, frozen=True):
    """Calls that know nothing of each other."""


class Bursts(msgspec.Struct, frozen=True):
    """A rate that is `high` or `low` times the mean, each for a while of `stay` on average (a Markov-modulated Poisson)."""

    high: float = 1.6
    low: float = 0.4
    stay: int = 20 * SECOND


class OnOff(msgspec.Struct, frozen=True):
    """All calls within `on`, none within the `off` that follows."""

    on: int
    off: int


class Wave(msgspec.Struct, frozen=True):
    """Busiest at `day`/2, and `depth` of the mean above it there, as far below it at midnight."""

    day: int
    depth: float = 0.8


class Recorded(msgspec.Struct, frozen=True):
    """A trace, played faster or slower to come to the load; from somewhere in its middle, over and over."""

    arrivals: tuple[Arrival, ...]


Process = Poisson | Bursts | OnOff | Wave | Recorded


class Lengths(msgspec.Struct, frozen=True):
    """Log-normal tokens by their medians; of a thousand answers, `tail` are as long as `tail_output`."""

    input: int = 900
    input_spread: float = 0.9
    output: int = 150
    output_spread: float = 0.8
    tail: int = 0
    tail_output: int = 8_000


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Organizations of a tier that call alike. `load` is of all seats there are: 1.0 would keep every one of them busy."""

    name: str
    tier: Tier
    orgs: tuple[int, ...]
    load: float
    process: Process = Poisson()
    lengths: Lengths = Lengths()
    shares: tuple[int, ...] = ()
    """How often each organization calls, beside the others; all alike where it is empty."""
    stream: float = 0.5
    """The share of calls that are streamed."""
    overstated: float = 0.0
    """The share of calls whose `max_tokens` says 16,384, whatever they come to."""
    begins: int = 0
    ends: int | None = None
    patience: int | None = None
    """Clients leave when no byte has come for so long."""
    lanes: tuple[int, ...] = ()
    """Lanes its calls may use; all where it is empty."""
    retries: int = 0
    """How often a client whose call was refused tries again."""
    impatient: bool = False
    """Tries again after half a second, whatever it was told."""


class Upstream(msgspec.Struct, frozen=True, kw_only=True):
    """A lane: what the catalogue says of it, and below, how it truly is."""

    id: int
    pool: str = "shared"
    owner: int | None = None
    seats: int = 64
    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    own: bool = False
    """An engine of ours: to close a connection costs nothing."""
    allows: Steps = ()
    """Calls it truly allows at once; 429 beyond."""
    slower: Steps = ()
    """Takes so many hundredths of the usual time."""
    retry_after: int | None = SECOND
    """What its 429 says."""

    @property
    def plain(self) -> bool:
        """Has room whenever a seat is free."""
        return not self.allows and (self.rpm, self.itpm, self.otpm) == (None, None, None)


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """`warm`: figures begin only then, when queues are as full as they will be."""

    name: str
    about: str
    upstreams: tuple[Upstream, ...]
    sources: tuple[Source, ...]
    until: int
    warm: int = 30 * SECOND
    lending: bool = True
    limits: bool = False
    """Whether organizations have their tier's default limits; only the shipped policies know of them."""
    weights: Mapping[int, int] = {}
    workers: int = 4
    """How many the policy that divides seats among workers divides them by."""

    @property
    def seats(self) -> int:
        return sum(each.seats for each in self.upstreams)


def at(steps: Steps, now: int, before: int | None) -> int | None:
    """The value that holds at `now`."""
    found = before
    for begins, value in steps:
        if begins > now:
            break
        found = value
    return found
