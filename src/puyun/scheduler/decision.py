"""What the scheduler says. Every claim ends by exactly one refusal, by its `end`, or by its `cancel`."""

from enum import StrEnum

import msgspec


class Why(StrEnum):
    QUEUE_FULL = "queue_full"
    """The organization's queue is full, or the tier's is and this organization's is the longest."""
    WAIT_TOO_LONG = "wait_too_long"
    """It would not be served within its `max_wait`: told at once instead of after the wait."""
    EXPIRED = "expired"
    """It has waited for its `max_wait`."""
    DROPPED = "dropped"
    """The tier's queue was full and this was the newest claim of the longest queue."""
    NO_LANE = "no_lane"
    """No deployment serves it, or none that has not failed it already."""
    RETRIES_SPENT = "retries_spent"
    """It has had its attempts, or its pool has had its share of second attempts."""
    AWAY = "away"
    """Said by those who stand in for the scheduler while it is away."""


class Grant(msgspec.Struct, frozen=True, tag="grant", gc=False):
    """A seat. `waited`: microseconds since the claim arrived. `preemptible`: until its first byte it may be taken back."""

    ticket: int
    lane: int
    pool: str
    waited: int
    preemptible: bool


class Refusal(msgspec.Struct, frozen=True, tag="refusal", gc=False):
    """The end of a claim. `retry_after`: microseconds after which it may be worth asking again."""

    ticket: int
    why: Why
    retry_after: int


class Preempted(msgspec.Struct, frozen=True, tag="preempted", gc=False):
    """The seat is gone: break off the attempt. The call is back at the head of its organization's queue."""

    ticket: int


Decision = Grant | Refusal | Preempted
