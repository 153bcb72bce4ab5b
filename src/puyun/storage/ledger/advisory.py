"""Which processes are alive, on PostgreSQL: each holds an advisory lock on a connection of its own.

The server drops the lock when the connection ends, which may also happen to a process that lives: then it has
SILENCE_SECONDS to take it again, by the watch of whoever looks. Taken for dead in spite of that, it has no row any more,
so that no hold of its is written (`alive` in ledger_postgres.sql), and registers anew.
"""

import time
from contextlib import suppress

import psycopg

from puyun.kit.clock import Clock
from puyun.kit.ids import SLOTS
from puyun.storage.engine import LOCKS, Impatient, connect_postgres
from puyun.storage.ledger.owner import TooManyProcessesError
from puyun.storage.ledger.store import StoreUnavailableError
from puyun.storage.sql import statements
from puyun.system import crash

SILENCE_SECONDS = 15
"""How long a slot's lock must be nobody's before its process is taken for dead."""

_SQL = {name: text.encode() for name, text in statements("ledger_postgres").items()}


class PostgresOwner:
    """An `Owner` on PostgreSQL. It needs a session of its own, so no pooler in transaction mode between."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Raises TooManyProcessesError or StoreUnavailableError."""
        self._url = url
        self._clock = clock
        self._silent: dict[int, float] = {}
        self._connection = self._connect()
        try:
            self._register()
        except BaseException:
            self._connection.close()
            raise

    @property
    def id(self) -> int:
        return self._id

    @property
    def slot(self) -> int:
        return self._slot

    def keep(self) -> bool:
        """Look at the connection; take the slot again after it was lost."""
        try:
            if self._connection.closed:
                self._connection = self._connect()
                if self._exists() and not self._lock(self._slot):
                    self._connection.close()
                    raise StoreUnavailableError("the server has not yet noticed that our connection was lost")
            if self._exists():
                return False
            self._register()
        except psycopg.OperationalError as error:
            self._connection.close()
            raise StoreUnavailableError(str(error)) from error
        return True

    def bury(self) -> int:
        """A process is gone when nobody has held its slot for SILENCE_SECONDS of our own undisturbed watch."""
        now = time.monotonic()
        buried = 0
        try:
            owners = self._connection.execute(_SQL["owners"], (LOCKS,)).fetchall()
            silent = {
                owner: self._silent.get(owner, now) for owner, _, held in owners if not held and owner != self._id
            }
            for owner, since in list(silent.items()):
                if now - since >= SILENCE_SECONDS:
                    buried += self._connection.execute(_SQL["bury"], (owner, LOCKS)).rowcount
                    del silent[owner]
        except psycopg.OperationalError as error:
            self._connection.close()
            raise StoreUnavailableError(str(error)) from error
        self._silent = silent
        return buried

    def release(self) -> None:
        """The row goes too: what is still held is everybody's to return."""
        with suppress(psycopg.OperationalError):
            self._connection.execute(_SQL["delete_owner"], (self._id,))
        self._connection.close()

    def _connect(self) -> psycopg.Connection:
        self._silent = {}
        try:
            return connect_postgres(self._url, Impatient, statement_timeout="5s")
        except psycopg.OperationalError as error:
            raise StoreUnavailableError(str(error)) from error

    def _register(self) -> None:
        """The first slot that is neither locked nor named by a row: its process may yet come back."""
        named = {slot for _, slot, _ in self._connection.execute(_SQL["owners"], (LOCKS,)).fetchall()}
        for slot in range(SLOTS):
            if slot not in named and self._lock(slot):
                crash.reached("slot-taken")
                row = self._connection.execute(_SQL["add_owner"], (slot, self._clock.now(), slot)).fetchone()
                if row is not None:
                    self._id, self._slot = int(row[0]), slot
                    return
                self._connection.execute(_SQL["give_slot"], (LOCKS, slot))
        raise TooManyProcessesError(f"{SLOTS} processes already use this database")

    def _lock(self, slot: int) -> bool:
        row = self._connection.execute(_SQL["take_slot"], (LOCKS, slot)).fetchone()
        return row is not None and bool(row[0])

    def _exists(self) -> bool:
        return self._connection.execute(_SQL["owner"], (self._id,)).fetchone() is not None
