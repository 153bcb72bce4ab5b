"""Who has which seats, counted beside all of the product's own code: shared memory under a lock of the kernel's.

A worker enters after a seat was given to it and leaves before it gives the seat back. So at any moment at least so many
seats are in use, and one more than there are is one too many, whatever the arbiter believes.
"""

import fcntl
import mmap
import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_DECISIONS, _REFUSALS, _AWAY, _VIOLATIONS, _LIMITED, _FIRST, _LAST = range(7)
_FIELDS = 7


@dataclass(frozen=True)
class Tally:
    """Of all workers together. `most`: seats in use at once, by lane."""

    decisions: int
    refusals: int
    away: int
    violations: int
    limited: int
    """Calls that were let in of the organization with a limit."""
    span: float
    """Seconds from its first ask to the last time one was let in."""
    most: tuple[int, ...]


class Oracle:
    """`lanes`: seats by lane, which are numbered from 1. Made before the workers are forked; `worker` counts from 1."""

    def __init__(self, lanes: Sequence[int], workers: int) -> None:
        self._lanes = list(lanes)
        self._workers = workers
        self._row = _FIELDS + len(self._lanes)
        self._descriptor = os.memfd_create("oracle")
        size = 8 * (self._row * workers + len(self._lanes))
        os.truncate(self._descriptor, size)
        self._cells = memoryview(mmap.mmap(self._descriptor, size)).cast("Q")

    def forget(self, worker: int) -> None:
        """It is stopped and about to be killed: the kernel will close its connections. Without the lock, which it may have."""
        for lane in range(1, len(self._lanes) + 1):
            self._cells[self._place(worker, lane)] = 0

    def enter(self, worker: int, lane: int) -> None:
        with self._locked():
            self._cells[self._place(worker, lane)] += 1
            used = sum(self._cells[self._place(each, lane)] for each in range(1, self._workers + 1))
            if used > self._lanes[lane - 1]:
                self._cells[self._start(worker) + _VIOLATIONS] += 1
            most = self._row * self._workers + lane - 1
            self._cells[most] = max(self._cells[most], used)

    def leave(self, worker: int, lane: int) -> None:
        with self._locked():
            self._cells[self._place(worker, lane)] -= 1

    def granted(self, worker: int) -> None:
        self._cells[self._start(worker) + _DECISIONS] += 1

    def refused(self, worker: int, *, away: bool) -> None:
        self._cells[self._start(worker) + (_AWAY if away else _REFUSALS)] += 1

    def asked(self, worker: int) -> None:
        """By the organization with a limit, for the first time by this worker."""
        place = self._start(worker) + _FIRST
        self._cells[place] = self._cells[place] or time.monotonic_ns()

    def admitted(self, worker: int) -> None:
        """One of its calls was let in."""
        self._cells[self._start(worker) + _LIMITED] += 1
        self._cells[self._start(worker) + _LAST] = time.monotonic_ns()

    def tally(self) -> Tally:
        def total(field: int) -> int:
            return sum(self._cells[self._start(worker) + field] for worker in range(1, self._workers + 1))

        workers = range(1, self._workers + 1)
        first = min((cell for each in workers if (cell := self._cells[self._start(each) + _FIRST])), default=0)
        last = max(self._cells[self._start(each) + _LAST] for each in workers)
        fields = [total(field) for field in (_DECISIONS, _REFUSALS, _AWAY, _VIOLATIONS, _LIMITED)]
        most = tuple(self._cells[self._row * self._workers :])
        return Tally(*fields, span=max(0, last - first) / 1e9, most=most)

    def _start(self, worker: int) -> int:
        return (worker - 1) * self._row

    def _place(self, worker: int, lane: int) -> int:
        return self._start(worker) + _FIELDS + lane - 1

    @contextmanager
    def _locked(self) -> Generator[None]:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
