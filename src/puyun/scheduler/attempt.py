"""What came of an attempt: the tokens that it really used, and what it says of its lane."""

from enum import StrEnum

import msgspec


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
