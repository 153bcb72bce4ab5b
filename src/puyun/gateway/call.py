"""The life of one call, as a table. The coroutine in `serving` walks it; any step that is not here is a bug of ours."""

from enum import StrEnum


class CallState(StrEnum):
    RECEIVED = "received"
    ADMITTED = "admitted"
    LEASED = "leased"
    STREAMING = "streaming"
    FINISHED = "finished"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    FAILED = "failed"


class CallEvent(StrEnum):
    HELD = "held"
    REFUSE = "refuse"
    LEASE = "lease"
    FIRST_BYTE = "first_byte"
    FINISH = "finish"
    ABANDON = "abandon"
    FAIL = "fail"


TRANSITIONS: dict[tuple[CallState, CallEvent], CallState] = {
    (CallState.RECEIVED, CallEvent.REFUSE): CallState.REFUSED,
    (CallState.RECEIVED, CallEvent.HELD): CallState.ADMITTED,
    (CallState.ADMITTED, CallEvent.LEASE): CallState.LEASED,
    (CallState.ADMITTED, CallEvent.FAIL): CallState.FAILED,
    (CallState.ADMITTED, CallEvent.ABANDON): CallState.ABANDONED,
    (CallState.LEASED, CallEvent.LEASE): CallState.LEASED,
    (CallState.LEASED, CallEvent.FIRST_BYTE): CallState.STREAMING,
    (CallState.LEASED, CallEvent.FINISH): CallState.FINISHED,
    (CallState.LEASED, CallEvent.FAIL): CallState.FAILED,
    (CallState.LEASED, CallEvent.ABANDON): CallState.ABANDONED,
    (CallState.STREAMING, CallEvent.FINISH): CallState.FINISHED,
    (CallState.STREAMING, CallEvent.FAIL): CallState.FAILED,
    (CallState.STREAMING, CallEvent.ABANDON): CallState.ABANDONED,
}
"""A call that was held leaves exactly one usage record, when it reaches FINISHED, ABANDONED or FAILED (I9)."""

HELD_STATES = frozenset({CallState.ADMITTED, CallState.LEASED, CallState.STREAMING})
"""The states in which a hold is open."""


def step(state: CallState, event: CallEvent) -> CallState:
    """The next state. Raises KeyError for a step that must not happen."""
    return TRANSITIONS[state, event]
