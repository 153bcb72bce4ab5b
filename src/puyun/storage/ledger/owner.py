"""Which processes are alive: each holds a file lock for as long as it lives, and the kernel drops it when it dies."""

import fcntl
import os
from pathlib import Path
from typing import Self

from puyun.kit.clock import Clock
from puyun.kit.ids import SLOTS
from puyun.storage.engine import connect_sqlite
from puyun.storage.sql import statements

_SQL = statements("ledger")


class TooManyProcessesError(RuntimeError):
    """All slots of this data directory are held by live processes."""


class Slot:
    """An exclusive lock on one of the data directory's slot files."""

    def __init__(self, number: int, descriptor: int) -> None:
        self.number = number
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Self:
        """The first free slot. Raises TooManyProcessesError."""
        for number in range(SLOTS):
            slot = cls.try_take(folder, number)
            if slot is not None:
                return slot
        raise TooManyProcessesError(f"{SLOTS} processes already use {folder}")

    @classmethod
    def try_take(cls, folder: Path, number: int) -> Self | None:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return cls(number, descriptor)

    def release(self) -> None:
        os.close(self._descriptor)


def register(database: Path, slot: Slot, clock: Clock) -> int:
    """This process's owner row; holds name it."""
    connection = connect_sqlite(database)
    try:
        cursor = connection.execute(_SQL["add_owner"], (slot.number, clock.now()))
        return cursor.lastrowid or 0
    finally:
        connection.close()


def dead_owners(database: Path, folder: Path, me: int, slot: Slot) -> list[int]:
    """Owner rows whose process is gone: their slot is free, or it is the one that we now hold."""
    connection = connect_sqlite(database)
    try:
        rows: list[tuple[int, int]] = connection.execute(_SQL["owners"]).fetchall()
    finally:
        connection.close()
    dead: list[int] = []
    for owner, number in rows:
        if owner == me:
            continue
        if number == slot.number:
            dead.append(owner)
            continue
        free = Slot.try_take(folder, number)
        if free is not None:
            free.release()
            dead.append(owner)
    return dead


def forget(database: Path, owner: int) -> None:
    """Remove the row of an owner that has no holds left."""
    connection = connect_sqlite(database)
    try:
        connection.execute(_SQL["delete_owner"], (owner,))
    finally:
        connection.close()
