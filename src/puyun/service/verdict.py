"""How a call counts: good, bad with its cause, or not at all. The table of README.md, and the promises it is held to."""

from enum import StrEnum

from puyun.catalog.promise import WAIT
from puyun.kit.clock import MINUTE
from puyun.ledger.hold import Status

INTERVAL = 5 * MINUTE
"""What calls are counted by: the five minutes in which their end was written."""

WAIT_MS = {tier: wait // 1_000 for tier, wait in WAIT.items()}
"""The promised waits, in milliseconds as usage records have theirs."""

OVERHEAD_US = 20_000
"""The most that we may add to a call, without its wait and its provider."""


class Verdict(StrEnum):
    """How a call counts. The bad ones are causes."""

    GOOD = "good"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    CAPACITY = "capacity"
    OURS = "ours"
    REFUSED = "refused"
    """Not counted: the request was at fault, or a limit of its own organization."""
    GONE = "gone"
    """Not counted: the client went before the answer was over."""


BAD = (Verdict.UPSTREAM_ERROR, Verdict.UPSTREAM_TIMEOUT, Verdict.CAPACITY, Verdict.OURS)

_OF_CODE: dict[str, Verdict] = {
    "upstream_error": Verdict.UPSTREAM_ERROR,
    "upstream_timeout": Verdict.UPSTREAM_TIMEOUT,
    "capacity_unavailable": Verdict.CAPACITY,
    "upstream_refused": Verdict.REFUSED,
    "rate_limit_exceeded": Verdict.REFUSED,
    "insufficient_credit": Verdict.REFUSED,
}
"""What an organization was told, and whose fault that was."""

_OF_STATUS: dict[str, Verdict] = {
    Status.COMPLETED: Verdict.GOOD,
    Status.CUT: Verdict.GOOD,
    Status.CANCELLED: Verdict.GONE,
    Status.CRASHED: Verdict.OURS,
}

UNTIMED = frozenset({"unrecorded", "crashed"})
"""Ends that somebody else wrote for the call: how long it waited is not known."""


def verdict(status: Status, error: str | None) -> Verdict:
    """Whatever failed and is not known to be another's fault is ours (SL2)."""
    known = _OF_STATUS.get(status)
    return _OF_CODE.get(error or "", Verdict.OURS) if known is None else known
