"""Size a dedicated pool from a contract, and refuse to sell what is not there."""

import msgspec

from puyun.catalog.model import Tier
from puyun.catalog.promise import WAIT
from puyun.kit.clock import SECOND
from puyun.planning.erlang import seats_for, wait_within, waiting, waiting_longer

FLEX_WAIT = WAIT[Tier.FLEX]
FLEX_PART = 0.95
"""What Flex is promised: 95 % of its calls wait at most five seconds."""

FLEX_SHARE = 0.5
"""Of the shared pool, what is Flex's whatever Enterprise and Test do."""


class Load(msgspec.Struct, frozen=True):
    """Calls at the peak, and how long each keeps its seat on average, in microseconds."""

    per_minute: float
    mean: int

    @property
    def erlangs(self) -> float:
        return self.per_minute * self.mean / (60 * SECOND)


class Promise(msgspec.Struct, frozen=True):
    """`part` of the calls (0.99) wait at most `wait` microseconds for a seat."""

    wait: int
    part: float


class Capacity(msgspec.Struct, frozen=True):
    """What there is to sell from: all seats, those that Enterprise pools have already, Flex's share of the others."""

    seats: int
    taken: int = 0
    flex_share: float = FLEX_SHARE


class Plan(msgspec.Struct, frozen=True):
    """A pool that keeps its promise, what is left beside it, and why it may not be sold. Times in microseconds."""

    load: float
    seats: int
    waiting: float
    """Share of calls that wait at all."""
    late: float
    """Share of calls that wait longer than promised."""
    left: int
    """Seats that remain shared; below zero where more is sold than there is."""
    flex_seats: int
    """Those of them that are Flex's whatever the others do."""
    flex_wait: int | None
    """What 95 % of Flex's calls wait at most there; None: without end, or its load is not known."""
    refusal: str
    """Empty where the pool may be sold."""

    @property
    def sold(self) -> bool:
        return not self.refusal


def plan(load: Load, promise: Promise, capacity: Capacity, flex: Load | None = None) -> Plan:
    """P1, P3, P4. Raises ValueError as `seats_for` does."""
    erlangs = load.erlangs
    seats = seats_for(erlangs, mean=load.mean, wait=promise.wait, part=promise.part)
    left = capacity.seats - capacity.taken - seats
    guaranteed = int(max(left, 0) * capacity.flex_share)
    flex_wait = _flex_wait(flex, guaranteed)
    return Plan(
        load=erlangs,
        seats=seats,
        waiting=waiting(erlangs, seats),
        late=waiting_longer(erlangs, seats, mean=load.mean, wait=promise.wait),
        left=left,
        flex_seats=guaranteed,
        flex_wait=flex_wait,
        refusal=_refusal(seats, capacity, flex, guaranteed),
    )


def _flex_wait(flex: Load | None, seats: int) -> int | None:
    return wait_within(flex.erlangs, seats, mean=flex.mean, part=FLEX_PART) if flex else None


def _refusal(seats: int, capacity: Capacity, flex: Load | None, guaranteed: int) -> str:
    free = max(capacity.seats - capacity.taken, 0)
    if seats > free:
        taken = f"Enterprise pools have {capacity.taken}"
        return f"{seats} seats are needed and {free} are left of {capacity.seats}; {taken}"
    if flex is None:
        return ""
    wait = _flex_wait(flex, guaranteed)
    if wait is not None and wait <= FLEX_WAIT:
        return ""
    needed = seats_for(flex.erlangs, mean=flex.mean, wait=FLEX_WAIT, part=FLEX_PART)
    waits = "without end" if wait is None else f"up to {wait / SECOND:.1f} s"
    limit = f"to keep within {FLEX_WAIT // SECOND} s it needs {needed}"
    return f"Flex would wait {waits} for the {guaranteed} seats that stay its own; {limit}"
