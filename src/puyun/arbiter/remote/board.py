"""Shared memory of the workers of one machine, for the time in which no arbiter knows who has which seats.

Each has a row: either it obeys an arbiter, and then nobody else knows what it has; or it is by itself, and then the row
says so. A worker takes a seat only when all are by themselves and the rows leave one free, in one step under a lock of
the kernel's, which ends with its process. So together they never have more seats than there are.
"""

import fcntl
import mmap
import os
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import msgspec

_ROW = 16 * 1024
_HEAD = 4

_decoder = msgspec.msgpack.Decoder(dict[int, int] | None)


def create(workers: int) -> int:
    """The memory, as a file descriptor for the workers to inherit. Every worker obeys at first."""
    descriptor = os.memfd_create("puyun-board", os.MFD_CLOEXEC)
    os.truncate(descriptor, workers * _ROW)
    return descriptor


class Board:
    """The board as one worker uses it. `worker` counts from 1."""

    def __init__(self, descriptor: int, worker: int, workers: int) -> None:
        self._descriptor = descriptor
        self._worker = worker
        self._workers = workers
        self._memory = mmap.mmap(descriptor, workers * _ROW)
        self._mine = False

    def obey(self) -> None:
        """An arbiter decides from here on."""
        self._write(None)

    def say(self, held: Mapping[int, int]) -> None:
        """By itself, with so many seats in use by lane."""
        self._write({lane: seats for lane, seats in held.items() if seats})

    @contextmanager
    def turn(self) -> Generator[Counter[int] | None]:
        """What all workers have in use by lane, while nobody else takes any; None when that cannot be known, because one of
        them obeys still.
        """
        with self._locked():
            rows = [self._read(worker) for worker in range(1, self._workers + 1)]
            used: Counter[int] = Counter()
            for row in rows:
                used.update(row or {})
            yield None if any(row is None for row in rows) else used

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Others have it for some microseconds at most."""
        if self._mine:
            yield
            return
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)
        self._mine = True
        try:
            yield
        finally:
            self._mine = False
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def _read(self, worker: int) -> dict[int, int] | None:
        start = (worker - 1) * _ROW
        length = int.from_bytes(self._memory[start : start + _HEAD])
        return _decoder.decode(self._memory[start + _HEAD : start + _HEAD + length]) if length else None

    def _write(self, held: Mapping[int, int] | None) -> None:
        body = msgspec.msgpack.encode(held) if held is not None else b""
        if len(body) > _ROW - _HEAD:  # thousands of lanes in use at once: rather wait than write half of them
            body = b""
        start = (self._worker - 1) * _ROW
        with self._locked():
            self._memory[start : start + _HEAD + len(body)] = len(body).to_bytes(_HEAD) + body
