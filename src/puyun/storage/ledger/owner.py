"""Which processes are alive. On SQLite each holds a file lock for as long as it lives, and the kernel drops it when it
dies; on PostgreSQL, `advisory`.

Holds name their process's owner row. Who is gone loses the row first, then its holds are orphans (`expire_orphans`).
"""

import fcntl
import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

from puyun.kit.clock import Clock
from puyun.kit.ids import SLOTS
from puyun.storage.engine import Turn, connect_sqlite
from puyun.storage.ledger.store import StoreUnavailableError
from puyun.storage.sql import statements
from puyun.system import crash

_SQL = statements("ledger")


class TooManyProcessesError(RuntimeError):
    """All slots of this database are held by live processes."""


class Owner(Protocol):
    """This process among those on one database: the number of its row, and a slot that no other has."""

    @property
    def id(self) -> int: ...

    @property
    def slot(self) -> int: ...

    def keep(self) -> bool:
        """See that others take us for alive; True when we were taken for dead and have another row and slot now.

        Raises StoreUnavailableError.
        """
        ...

    def bury(self) -> int:
        """Delete the rows of processes that are gone; how many there were. Raises StoreUnavailableError."""
        ...

    def release(self) -> None:
        """The process ends."""
        ...


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


class FileOwner:
    """An `Owner` on SQLite: a slot file of the data directory, and a row."""

    def __init__(self, database: Path, folder: Path, clock: Clock) -> None:
        """Raises TooManyProcessesError or StoreUnavailableError."""
        self._database = database
        self._folder = folder
        self._taken = Slot.take(folder)
        crash.reached("slot-taken")
        with self._writing() as connection:
            self._id = connection.execute(_SQL["add_owner"], (self.slot, clock.now())).lastrowid or 0

    @property
    def id(self) -> int:
        return self._id

    @property
    def slot(self) -> int:
        return self._taken.number

    def keep(self) -> bool:
        """The kernel does it."""
        return False

    def bury(self) -> int:
        """A process is gone when its slot is free, or is the one that we hold now."""
        with self._writing() as connection:
            rows: list[tuple[int, int]] = connection.execute(_SQL["owners"]).fetchall()
            dead = [(owner,) for owner, slot in rows if owner != self._id and self._is_free(slot)]
            connection.executemany(_SQL["delete_owner"], dead)
        return len(dead)

    def release(self) -> None:
        """The row stays until somebody finds the slot free."""
        self._taken.release()

    def _is_free(self, number: int) -> bool:
        if number == self.slot:
            return True
        free = Slot.try_take(self._folder, number)
        if free is None:
            return False
        free.release()
        return True

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        connection = connect_sqlite(self._database)
        turn = Turn(self._database)
        turn.take()
        try:
            yield connection
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(str(error)) from error
        finally:
            turn.close()
            connection.close()
