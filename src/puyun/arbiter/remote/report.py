"""What a worker did by itself while no arbiter was there: told to the next one, until that one says that it has noted it."""

from collections.abc import Iterable, Iterator

import msgspec

from puyun.arbiter.lease import Lease
from puyun.arbiter.remote import wire
from puyun.claim import Claim
from puyun.scheduler.attempt import Signal, Spent

ENDED_MAX = 20_000
"""Calls that may end untold. A worker with more takes no seat by itself: what it cannot tell would not be counted."""


class _Ended(msgspec.Struct, frozen=True, gc=False):
    claim: Claim
    lane: int
    serial: int
    spent: Spent
    signal: Signal


class Report:
    """Of one worker. Telling the same twice counts it twice: that is the safe side."""

    def __init__(self) -> None:
        self._let_in: set[int] = set()
        self._ended: list[_Ended] = []

    @property
    def full(self) -> bool:
        return len(self._ended) >= ENDED_MAX

    def let_in(self, ticket: int) -> None:
        """By the worker's own allowance: no arbiter has counted it."""
        self._let_in.add(ticket)

    def untold(self, ticket: int) -> bool:
        return ticket in self._let_in

    def ended(self, lease: Lease, lane: int, spent: Spent, signal: Signal) -> None:
        """A call that had a seat, whoever gave it."""
        if not self.full:
            self._ended.append(_Ended(lease.claim, lane, lease.serial, spent, signal))

    def messages(self, seated: Iterable[Lease]) -> Iterator[wire.FromWorker]:
        """Seats that there are, and those that there were."""
        for lease in seated:
            yield wire.Reclaim(lease.claim, lease.lane, lease.serial, lease.begun, not self.untold(lease.claim.ticket))
        for ended in self._ended:
            ticket = ended.claim.ticket
            yield wire.Reclaim(ended.claim, ended.lane, ended.serial, begun=True, counted=not self.untold(ticket))
            yield wire.End(ticket, ended.spent, ended.signal)

    def noted(self) -> None:
        """An arbiter has counted it all."""
        self._let_in.clear()
        self._ended.clear()
