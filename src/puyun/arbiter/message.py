"""What workers and the arbiter tell one another, beside claims. In one process the same structs are handed over as they are.

Durations are in microseconds. On the wire each is an array that begins with its tag (`wire`).
"""

import msgspec

from puyun.catalog.model import Tier
from puyun.limits.reading import Reading, Row
from puyun.limits.rule import Rule
from puyun.scheduler.lane import LaneSpec
from puyun.scheduler.view import QueueView


class Configuration(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Every lane and every limit. `revision` grows with each change, so that of several workers' the newest counts."""

    revision: int
    lanes: tuple[LaneSpec, ...]
    rules: tuple[Rule, ...] = ()
    models: dict[int, str] = {}
    """Names by number, for rules with a pattern."""


class Granted(msgspec.Struct, frozen=True, array_like=True, tag=32):
    """A seat at `lane`, after `waited` in all. `serial`: the first of this call is 1, so that news which crossed on the
    way are told apart. `preemptible`: it may be taken away until the first byte.
    """

    ticket: int
    serial: int
    lane: int
    pool: str
    waited: int
    preemptible: bool
    readings: tuple[Reading, ...] = ()


class Refused(msgspec.Struct, frozen=True, array_like=True, tag=33):
    """No seat, and there will be none. `why`: one of `scheduler.decision.Why`, or `limit`: then the limit is there too.

    `retry_after` None: the same call can never pass.
    """

    ticket: int
    why: str
    retry_after: int | None
    scope: str = ""
    metric: str = ""
    limit: int = 0
    used: int = 0
    readings: tuple[Reading, ...] = ()


class Preempted(msgspec.Struct, frozen=True, array_like=True, tag=34):
    """The seat is gone before its first byte; the call waits at the head of its organization's queue."""

    ticket: int


class Standing(msgspec.Struct, frozen=True, array_like=True, tag=35):
    """A waiting call: how many of its organization are before it, and how long it will wait by present rates."""

    ticket: int
    position: int
    wait: int


class Look(msgspec.Struct, frozen=True, array_like=True, tag=15):
    """What a key may do at a tier, for each of these models."""

    org: int
    key: int
    tier: Tier
    models: tuple[int, ...]


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """One model of a `Look`: its limits, and its queue."""

    limits: tuple[Row, ...]
    queue: QueueView


Answer = Granted | Refused | Preempted | Standing
