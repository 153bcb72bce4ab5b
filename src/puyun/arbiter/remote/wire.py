"""Frames between a worker and the arbiter: four bytes of length, then a MessagePack array of messages.

All that one side has to say in a turn of its event loop is one frame. Whoever sends something else is hung up on.

    worker ──▶ hello, configuration                arbiter ──▶ welcome
                                                              gather     (everybody is here, or was waited for)
           ──▶ reclaim …, reclaimed, claims                   noted      from here on both talk as they like
"""

from collections.abc import Sequence

import msgspec

from puyun.arbiter.message import Configuration, Granted, Look, Preempted, Refused, Seen, Standing
from puyun.claim import Claim
from puyun.scheduler.attempt import Signal, Spent
from puyun.scheduler.lane import Facts
from puyun.scheduler.view import PoolView

VERSION = 2
"""Of the messages; both sides come from one installation, so another one means that it was replaced meanwhile."""

FRAME_MAX = 16 << 20
"""Bytes of one frame; a configuration with 100,000 rules fits."""

_HEAD = 4


class Hello(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """`epoch`: of the newest arbiter that this worker has heard of."""

    worker: int
    epoch: int
    version: int = VERSION


class Begin(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """`asks`: the seat is preemptible, so nothing is sent before `Begun` has come."""

    ticket: int
    serial: int
    asks: bool


class Progress(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Output tokens so far, by ticket."""

    outputs: dict[int, int]


class Elsewhere(msgspec.Struct, frozen=True, array_like=True, tag=6):
    ticket: int
    serial: int
    signal: Signal


class End(msgspec.Struct, frozen=True, array_like=True, tag=7):
    ticket: int
    spent: Spent
    signal: Signal


class Observed(msgspec.Struct, frozen=True, array_like=True, tag=8):
    lane: int
    facts: Facts


class Reclaim(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """A seat that the worker has, or had, from an arbiter before this one, or from its share. `counted`: by an arbiter's
    limits, when the call was let in.
    """

    claim: Claim
    lane: int
    serial: int
    begun: bool
    counted: bool = True


class Reclaimed(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """That was all; from here on the worker takes no seat by itself."""


class Beat(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """Sent back at once."""


class AskStanding(msgspec.Struct, frozen=True, array_like=True, tag=12):
    question: int
    ticket: int


class AskLook(msgspec.Struct, frozen=True, array_like=True, tag=13):
    question: int
    look: Look


class AskPools(msgspec.Struct, frozen=True, array_like=True, tag=14):
    question: int


class AskKnock(msgspec.Struct, frozen=True, array_like=True, tag=16):
    question: int
    ip: str


class Welcome(msgspec.Struct, frozen=True, array_like=True, tag=36):
    """Workers obey the arbiter of the highest epoch that they have heard of."""

    epoch: int


class Gather(msgspec.Struct, frozen=True, array_like=True, tag=37):
    """Reclaim what you have, and decide nothing any more."""


class Begun(msgspec.Struct, frozen=True, array_like=True, tag=38):
    ticket: int
    serial: int
    kept: bool


class Noted(msgspec.Struct, frozen=True, array_like=True, tag=42):
    """What the worker reclaimed is counted, and outlives this arbiter."""


class TheStanding(msgspec.Struct, frozen=True, array_like=True, tag=39):
    question: int
    standing: Standing | None


class TheLook(msgspec.Struct, frozen=True, array_like=True, tag=40):
    question: int
    seen: tuple[Seen, ...]


class TheKnock(msgspec.Struct, frozen=True, array_like=True, tag=43):
    """None: the address may go on."""

    question: int
    refused: Refused | None


class ThePools(msgspec.Struct, frozen=True, array_like=True, tag=41):
    question: int
    pools: tuple[PoolView, ...]


Question = AskStanding | AskLook | AskPools | AskKnock
FromWorker = (
    Claim
    | Configuration
    | Hello
    | Begin
    | Progress
    | Elsewhere
    | End
    | Observed
    | Reclaim
    | Reclaimed
    | Beat
    | Question
)
FromArbiter = (
    Granted
    | Refused
    | Preempted
    | Standing
    | Beat
    | Welcome
    | Gather
    | Begun
    | Noted
    | TheStanding
    | TheLook
    | ThePools
    | TheKnock
)

from_worker = msgspec.msgpack.Decoder(list[FromWorker])
from_arbiter = msgspec.msgpack.Decoder(list[FromArbiter])
_encoder = msgspec.msgpack.Encoder()


class WireError(Exception):
    """What came is no frame of ours."""


def frame(messages: Sequence[FromWorker | FromArbiter]) -> bytes:
    body = _encoder.encode(messages)
    return len(body).to_bytes(_HEAD) + body


class Frames:
    """Bytes as they come, put together to frames. What is kept is at most one frame and one read."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[memoryview]:
        """The bodies of all frames that are whole now. Raises WireError."""
        if self._rest:
            data = self._rest + data
        view = memoryview(data)
        bodies: list[memoryview] = []
        start, end = 0, len(data)
        while end - start >= _HEAD:
            length = int.from_bytes(view[start : start + _HEAD])
            if length > FRAME_MAX:
                raise WireError(f"a frame of {length} bytes")
            if end - start - _HEAD < length:
                break
            start += _HEAD
            bodies.append(view[start : start + length])
            start += length
        self._rest = data[start:]
        return bodies
