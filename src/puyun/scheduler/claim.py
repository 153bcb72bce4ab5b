"""What the scheduler is told about a call: the claim before it, what it really used, and how its attempt went."""

from enum import StrEnum

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant


class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One call that wants a seat. Made once; a second attempt is the same claim."""

    ticket: int
    """The call's id; unique among the calls that wait or run."""
    org: int
    key: int
    tier: Tier
    model: int
    lanes: tuple[int, ...]
    """Deployments that can serve the call, in catalogue order: all of the model's, whichever pool they belong to."""
    input: int
    """Tokens, estimated."""
    output: int
    """Tokens, estimated; never `max_tokens` as such, which few answers reach."""
    stream: bool
    max_wait: int
    """Microseconds; the smaller of the tier's and of what the client asked for. 0: a seat now or never."""
    priority: int = 5
    """0 (first) to 9 among the claims of the same key; it never moves another key's or organization's."""
    arrived: Instant


class Spent(msgspec.Struct, frozen=True, gc=False):
    """Tokens really used, in disjoint buckets; all 0 when nothing was."""

    fresh: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0


NOTHING = Spent()


class SignalKind(StrEnum):
    OK = "ok"
    OVERLOADED = "overloaded"
    """429, 503 or 529: the lane has too much."""
    FAILED = "failed"
    """Another 5xx, no connection, a timeout: the lane may be ill."""
    ABANDONED = "abandoned"
    """The client left, or the request itself was at fault: says nothing about the lane."""


class Signal(msgspec.Struct, frozen=True, gc=False):
    """How an attempt ended, as far as it tells something about its lane."""

    kind: SignalKind
    retry_after: int | None = None
    """Microseconds, from `retry-after-ms`, `retry-after` or a reset header."""
    bucket: str | None = None
    """`rpm`, `itpm` or `otpm`, where the answer named what ran out."""
    remaining: dict[str, int] | None = None
    """By bucket, from the answer's headers."""


OK = Signal(SignalKind.OK)
ABANDONED = Signal(SignalKind.ABANDONED)
