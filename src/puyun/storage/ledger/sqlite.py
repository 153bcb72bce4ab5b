"""The ledger on SQLite.

Lock order: the turn, then the one write lock of the file. Everything is read after it is taken, so absolute values may
be written.
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from puyun.kit.clock import Clock
from puyun.ledger.book import Book
from puyun.ledger.command import Outcome
from puyun.storage.engine import Turn, connect_sqlite
from puyun.storage.ledger.batch import Batch, Changes, Place, Row, book_of, crashed
from puyun.storage.ledger.inbox import NOTHING, Noted
from puyun.storage.ledger.store import BATCH_MAX, WRITTEN, Ask, StoreUnavailableError
from puyun.storage.sql import statements, with_rows
from puyun.system import crash

_SQL = statements("ledger")


class SqliteLedger:
    """A `LedgerStore` on a file, which several processes may share."""

    def __init__(self, path: Path, clock: Clock, owner: int = 0) -> None:
        self.owner = owner
        self._connection = connect_sqlite(path, cached_statements=1024)
        self._turn = Turn(path)
        self._clock = clock
        self._durable = True

    def close(self) -> None:
        self._connection.close()
        self._turn.close()

    def commit(self, asks: Sequence[Ask], noted: Noted = NOTHING) -> list[Outcome]:
        """As `LedgerStore.commit`.

        A batch of holds alone is committed but not yet forced to disk: it survives the death of every process, and if
        the machine dies, so did the calls it was for, uncompleted and so free. The next settle forces it, as the log
        is sequential (ADR 2).
        """
        batch = Batch(asks, noted)
        self._turn.take()
        try:
            self._force(batch.settles)
            return self._transact(batch)
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(str(error)) from error
        finally:
            self._turn.give()

    def _transact(self, batch: Batch) -> list[Outcome]:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            outcomes, changes = batch.decide(self._load(batch), now=self._clock.now(), owner=self.owner)
            self._write(changes)
            crash.reached_by(WRITTEN, batch.asks)
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        return outcomes

    def _force(self, durable: bool) -> None:
        """Whether commits wait for the disk from now on."""
        if durable is not self._durable:
            self._connection.execute("PRAGMA synchronous=FULL" if durable else "PRAGMA synchronous=NORMAL")
            self._durable = durable

    def expire_orphans(self) -> int:
        """As `LedgerStore.expire_orphans`."""
        expired = 0
        while rows := self._orphans():
            self.commit([crashed(row) for row in rows])
            expired += len(rows)
        return expired

    def _orphans(self) -> list[Row]:
        try:
            return self._connection.execute(_SQL["orphans"], (BATCH_MAX,)).fetchall()
        except sqlite3.OperationalError as error:
            raise StoreUnavailableError(str(error)) from error

    def _load(self, batch: Batch) -> Book:
        if not batch.asks:
            return book_of((), (), (), ())
        holds = self._select_pairs("holds", batch.places)
        unheld = batch.places - {(row[0], row[1]) for row in holds}
        return book_of(
            self._select("wallets", batch.orgs),
            self._budgets(batch),
            holds,
            self._select_pairs("ended", unheld),
        )

    def _write(self, changes: Changes) -> None:
        self._put("insert_holds", changes.opened)
        self._put("grow_holds", changes.grown)
        self._put("delete_holds", changes.closed)
        self._put("insert_records", changes.records)
        self._put("add_rollups", changes.rollups)
        self._put("insert_lines", changes.lines)
        self._put("update_wallets", changes.wallets)
        self._put("put_windows", changes.windows)
        self._put("insert_events", changes.events)
        self._put("insert_posts", changes.posts)

    def _select(self, name: str, values: set[int]) -> list[Row]:
        return self._connection.execute(with_rows(_SQL[name], len(values), 1), tuple(values)).fetchall()

    def _select_pairs(self, name: str, places: set[Place]) -> list[Row]:
        if not places:
            return []
        values = tuple(chain.from_iterable(places))
        return self._connection.execute(with_rows(_SQL[name], len(places), 2), values).fetchall()

    def _budgets(self, batch: Batch) -> list[Row]:
        values = (*batch.windows, *chain.from_iterable(batch.subjects))
        return self._connection.execute(with_rows(_SQL["budgets"], len(batch.subjects), 3), values).fetchall()

    def _put(self, name: str, rows: Sequence[Row]) -> None:
        if rows:
            values = tuple(chain.from_iterable(rows))
            self._connection.execute(with_rows(_SQL[name], len(rows), len(rows[0])), values)
