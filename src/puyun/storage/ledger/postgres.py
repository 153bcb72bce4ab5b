"""The ledger on PostgreSQL: two round trips a batch, one to lock and read, one to write and commit.

READ COMMITTED: every row is locked before it is read, so absolute values may be written. Lock order: wallets by
organization, budgets by key, then what belongs to one wallet alone; so there are no deadlocks. Every commit waits for the
disk, holds too: processes on other machines would go on with what a database forgot.
"""

import time
from collections.abc import Iterable, Sequence

import psycopg
from psycopg.pq import TransactionStatus

from puyun.kit.clock import Clock
from puyun.ledger.book import Book
from puyun.ledger.command import Outcome
from puyun.storage.engine import Impatient, connect_postgres
from puyun.storage.ledger.batch import Batch, Changes, Row, book_of, crashed
from puyun.storage.ledger.inbox import NOTHING, Noted
from puyun.storage.ledger.store import BATCH_MAX, WRITTEN, Ask, StoreUnavailableError
from puyun.storage.sql import statements, with_arrays
from puyun.system import crash

SESSION = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "5s",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""A row's lock is held for milliseconds, or the session ends. Rows are always looked up by key: a table that was empty
when it was last analysed is not read as a whole when it has filled."""

FATE_SECONDS = 3
"""How long the fate of a transaction is asked for whose connection was lost at the commit."""

_SQL = {name: with_arrays(text).encode() for name, text in statements("ledger_postgres").items()}

_UNAVAILABLE = (psycopg.OperationalError, psycopg.InternalError)
"""A lost connection, a time-out, a full disk, a server that stops or may only read."""

_Statement = tuple[bytes, Sequence[object]]


class PostgresLedger:
    """A `LedgerStore` on a PostgreSQL database. It connects when it is first used, and again when a connection is lost."""

    def __init__(self, url: str, clock: Clock, owner: int = 0) -> None:
        self.owner = owner
        self._url = url
        self._clock = clock
        self._opened: psycopg.Connection | None = None

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def commit(self, asks: Sequence[Ask], noted: Noted = NOTHING) -> list[Outcome]:
        """As `LedgerStore.commit`. A process that was taken for dead is refused new holds until it has another row."""
        batch = Batch(asks, noted)
        try:
            book, number = self._load(batch)
            outcomes, changes = batch.decide(book, now=self._clock.now(), owner=self.owner)
        except _UNAVAILABLE as error:
            self._undo()
            raise StoreUnavailableError(str(error)) from error
        except BaseException:
            self._undo()
            raise
        crash.reached_by(WRITTEN, asks)
        self._write(changes, number)
        return outcomes

    def expire_orphans(self) -> int:
        """As `LedgerStore.expire_orphans`."""
        expired = 0
        while rows := self._orphans():
            self.commit([crashed(row) for row in rows])
            expired += len(rows)
        return expired

    def _orphans(self) -> Sequence[Row]:
        try:
            return self._connection().execute(_SQL["orphans"], (BATCH_MAX,)).fetchall()
        except _UNAVAILABLE as error:
            raise StoreUnavailableError(str(error)) from error

    def _load(self, batch: Batch) -> tuple[Book, str]:
        """The book under the lock, and the transaction's number; it has none where no wallet is in it."""
        if not batch.asks:
            self._exchange([(b"BEGIN", ())])
            return book_of((), (), (), ()), ""
        orgs, calls = _numbers(org for org, _ in batch.places), _numbers(call for _, call in batch.places)
        asked: list[_Statement] = [
            (b"BEGIN", ()),
            (_SQL["wallets"], (_numbers(batch.orgs),)),
            (_SQL["budgets"], (*_arrays(tuple(batch.subjects)), *batch.windows)),
            (_SQL["holds"], (orgs, calls)),
            (_SQL["ended"], (orgs, calls)),
        ]
        if batch.holds:
            asked.append((_SQL["alive"], (self.owner,)))
        _, wallets, budgets, holds, ended, *alive = self._exchange(asked)
        if alive and not alive[0].fetchall():
            raise StoreUnavailableError(
                "this process was taken for dead; it takes no holds until it has a new owner row"
            )
        rows = wallets.fetchall()
        book = book_of(rows, budgets.fetchall(), holds.fetchall(), ended.fetchall())
        return book, rows[0][8] if rows else ""

    def _write(self, changes: Changes, number: str) -> None:
        named = (
            ("insert_holds", changes.opened),
            ("grow_holds", changes.grown),
            ("delete_holds", changes.closed),
            ("insert_records", changes.records),
            ("add_rollups", changes.rollups),
            ("insert_lines", changes.lines),
            ("update_wallets", changes.wallets),
            ("put_windows", changes.windows),
            ("insert_events", changes.events),
            ("insert_posts", changes.posts),
        )
        written: list[_Statement] = []
        try:
            written += [(_SQL[name], _arrays(rows)) for name, rows in named if rows]
            self._exchange([*written, (b"COMMIT", ())])
        except _UNAVAILABLE as error:
            lost = self._undo()
            if lost and written and not number:
                raise StoreUnavailableError(str(error), unknown=True) from error
            if not (lost and written and self._committed(number)):
                raise StoreUnavailableError(str(error)) from error
        except BaseException:
            self._undo()
            raise

    def _committed(self, number: str) -> bool:
        """What became of a transaction whose connection was lost at the commit. Raises StoreUnavailableError."""
        deadline = time.monotonic() + FATE_SECONDS
        while time.monotonic() < deadline:
            try:
                row = self._connection().execute(_SQL["fate"], (number,)).fetchone()
            except StoreUnavailableError:
                row = None
            except _UNAVAILABLE:
                self._undo()
                row = None
            if row and row[0] != "in progress":
                return row[0] == "committed"
            time.sleep(0.05)
        raise StoreUnavailableError("the connection was lost at the commit and does not come back", unknown=True)

    def _exchange(self, asked: list[_Statement]) -> list[psycopg.Cursor]:
        """All statements in one round trip."""
        connection = self._connection()
        with connection.pipeline():
            return [connection.execute(text, values, prepare=True) for text, values in asked]

    def _connection(self) -> psycopg.Connection:
        if self._opened is None:
            try:
                self._opened = connect_postgres(self._url, Impatient, **SESSION)
            except _UNAVAILABLE as error:
                raise StoreUnavailableError(str(error)) from error
        return self._opened

    def _undo(self) -> bool:
        """Roll back; True if the connection was lost, which did it."""
        if self._opened is None:
            return False
        if not self._opened.closed and self._opened.info.transaction_status != TransactionStatus.IDLE:
            try:
                self._opened.rollback()
            except psycopg.Error:
                self._opened.close()
        if self._opened.closed:
            self._opened = None
            return True
        return False


def _numbers(values: Iterable[int]) -> str:
    """An array of integers as PostgreSQL writes it; a driver's list would choose the type by what is in it."""
    return "{" + ",".join(map(str, values)) + "}"


def _arrays(rows: Sequence[Row]) -> list[object]:
    """One array for each column."""
    return [_array(column) for column in zip(*rows, strict=True)]


def _array(column: tuple[object, ...]) -> object:
    first = column[0]
    return list(column) if first is None or isinstance(first, str | bytes) else _numbers(column)  # pyright: ignore[reportArgumentType] - what is no integer is refused by the database
