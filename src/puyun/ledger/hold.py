"""Hold lifecycle. The table is the rule; `end` interprets it."""

from enum import StrEnum


class HoldState(StrEnum):
    NONE = "none"
    PENDING = "pending"
    SETTLED = "settled"
    VOIDED = "voided"
    EXPIRED = "expired"


class HoldEvent(StrEnum):
    HOLD = "hold"
    GROW = "grow"
    SETTLE = "settle"
    VOID = "void"
    EXPIRE = "expire"


TRANSITIONS: dict[tuple[HoldState, HoldEvent], HoldState] = {
    (HoldState.NONE, HoldEvent.HOLD): HoldState.PENDING,
    (HoldState.PENDING, HoldEvent.GROW): HoldState.PENDING,
    (HoldState.PENDING, HoldEvent.SETTLE): HoldState.SETTLED,
    (HoldState.PENDING, HoldEvent.VOID): HoldState.VOIDED,
    (HoldState.PENDING, HoldEvent.EXPIRE): HoldState.EXPIRED,
}
"""Every pair that is not here is refused or answered from what is stored, and changes nothing (I8, I13)."""


class Status(StrEnum):
    """How an admitted call ended; a usage record's status."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    CUT = "cut"
    FAILED = "failed"
    CRASHED = "crashed"


ENDING: dict[Status, HoldEvent] = {
    Status.COMPLETED: HoldEvent.SETTLE,
    Status.CANCELLED: HoldEvent.SETTLE,
    Status.CUT: HoldEvent.SETTLE,
    Status.FAILED: HoldEvent.VOID,
    Status.CRASHED: HoldEvent.EXPIRE,
}
"""Which way a hold ends for each status. A void and an expiry charge nothing (I14, I18)."""
