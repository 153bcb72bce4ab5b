"""The ledger on SQLite: one batch of commands is one transaction. `Book` decides, this loads and writes.

Lock order: the one write lock of the file. Everything is read after it is taken, so absolute values may be written.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

from puyun.kit.clock import Clock, hour_of
from puyun.kit.ids import call_started
from puyun.kit.money import charge_of
from puyun.ledger.book import Book, Budget, Wallet
from puyun.ledger.command import Grow, Held, Hold, Outcome, Settle, Settled
from puyun.ledger.hold import Status
from puyun.metering.record import Flag, UsageRecord
from puyun.metering.usage import BUCKETS, NO_USAGE, Usage
from puyun.storage.engine import connect_sqlite
from puyun.storage.ledger.codes import STATUS_CODE, TIER_CODE, TIER_NAME
from puyun.storage.sql import statements, with_rows

BATCH_MAX = 64
"""Commands in one transaction: more would hold the interpreter lock, and every open stream, for too long."""

Ask = Hold | Grow | UsageRecord
"""What callers hand in: a record stands for the settle, void or expiry that its status says."""

Row = Sequence[Any]

Place = tuple[int, int]
"""(organization, call)."""

_SQL = statements("ledger")

_buckets: Callable[[Usage], tuple[int, ...]] = attrgetter(*BUCKETS)


class LedgerStore:
    """Used by one thread at a time. `owner` is this process's row: the holds it takes die with it."""

    def __init__(self, path: Path, clock: Clock, owner: int = 0) -> None:
        self._connection = connect_sqlite(path, cached_statements=1024)
        self._clock = clock
        self._owner = owner
        self._durable = True

    def close(self) -> None:
        self._connection.close()

    def commit(self, asks: Sequence[Ask]) -> list[Outcome]:
        """Decide and write a batch as one transaction; the outcomes in order, durable when this returns.

        A batch of holds alone is committed but not yet forced to disk: it survives the death of every process, and if
        the machine dies, so did the calls it was for, uncompleted and so free. The next settle forces it, as the log
        is sequential (ADR 2).

        A command that was asked before, in this batch or long ago, gets its first answer (I13). Raises sqlite3.Error
        when the database cannot be written: nothing happened.
        """
        execute = self._connection.execute
        self._force(any(isinstance(ask, UsageRecord) for ask in asks))
        execute("BEGIN IMMEDIATE")
        try:
            commands = [_command(ask) for ask in asks]
            book = self._load(commands)
            known = set(book.holds), set(book.ended)
            outcomes = [book.apply(command) for command in commands]
            self._write(book, asks, outcomes, known)
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

    def expire_orphans(self, owner: int) -> int:
        """End the holds of an owner that is gone: uncharged, each with its record (I14). Returns how many."""
        expired = 0
        while rows := self._connection.execute(_SQL["orphans"], (owner, BATCH_MAX)).fetchall():
            self.commit([_crashed(row) for row in rows])
            expired += len(rows)
        return expired

    def _load(self, commands: Sequence[Hold | Grow | Settle]) -> Book:
        orgs = {command.org for command in commands}
        keys = {command.key for command in commands}
        book = Book({row[0]: _wallet(row) for row in self._select("wallets", orgs)})
        book.budgets = {row[0]: Budget(*row) for row in self._select("budgets", keys)}
        places = {(command.org, command.call) for command in commands}
        book.holds = {(row[0], row[1]): row[2] for row in self._select_pairs("holds", places)}
        rows = self._select_pairs("ended", places - book.holds.keys())
        book.ended = {(row[0], row[1]): Settled(row[2], row[3], row[4], row[5]) for row in rows}
        return book

    def _write(
        self, book: Book, asks: Sequence[Ask], outcomes: list[Outcome], known: tuple[set[Place], set[Place]]
    ) -> None:
        """`known`: the holds that were open and the calls that had ended before this batch; they are not written anew."""
        now = self._clock.now()
        was_open, was_ended = known
        opened: dict[Place, Hold] = {}
        grown: set[Place] = set()
        ended: dict[Place, tuple[UsageRecord, Settled]] = {}
        for ask, outcome in zip(asks, outcomes, strict=True):
            place = (ask.org, ask.call)
            if isinstance(ask, UsageRecord):
                if isinstance(outcome, Settled) and place not in was_ended:
                    ended.setdefault(place, (ask, outcome))
            elif isinstance(outcome, Held):
                if isinstance(ask, Grow):
                    grown.add(place)
                elif place not in was_open:
                    opened.setdefault(place, ask)
        still_open = book.holds
        self._insert("insert_holds", [self._hold_row(opened[p], still_open[p]) for p in opened if p in still_open])
        for place in grown - opened.keys():
            if place in still_open:
                self._connection.execute(_SQL["grow_hold"], (still_open[place], *place))
        self._insert("delete_holds", [place for place in ended if place in was_open])
        self._insert("insert_records", [_record_row(*end) for end in ended.values()])
        rollups: dict[Row, list[int]] = {}
        for end in ended.values():
            _add_rollup(rollups, *end)
        self._insert("add_rollups", [(*cell, *sums) for cell, sums in rollups.items()])
        lines = [
            (t.org, t.number, index, t.entry, line.debit, line.credit, line.amount, now, t.ref, t.note)
            for t in book.transactions
            for index, line in enumerate(t.lines)
        ]
        self._insert("insert_lines", lines)
        for wallet in book.wallets.values():
            row = (wallet.paid, wallet.bonus, wallet.held, wallet.last, wallet.org)
            self._connection.execute(_SQL["update_wallet"], row)
        for budget in book.budgets.values():
            self._connection.execute(_SQL["update_budget"], (budget.spent, budget.held, budget.key))

    def _hold_row(self, hold: Hold, amount: int) -> Row:
        return (hold.org, hold.call, amount, hold.key, self._owner, hold.model, TIER_CODE[hold.tier])

    def _select(self, name: str, values: set[int]) -> list[Row]:
        return self._connection.execute(with_rows(_SQL[name], len(values), 1), tuple(values)).fetchall()

    def _select_pairs(self, name: str, places: set[Place]) -> list[Row]:
        if not places:
            return []
        values = tuple(chain.from_iterable(places))
        return self._connection.execute(with_rows(_SQL[name], len(places), 2), values).fetchall()

    def _insert(self, name: str, rows: Sequence[Row]) -> None:
        if rows:
            values = tuple(chain.from_iterable(rows))
            self._connection.execute(with_rows(_SQL[name], len(rows), len(rows[0])), values)


def _command(ask: Ask) -> Hold | Grow | Settle:
    if isinstance(ask, UsageRecord):
        return Settle(ask.org, ask.call, ask.key, ask.tier, ask.status, charge_of(ask.exact))
    return ask


def _wallet(row: Row) -> Wallet:
    org, paid, bonus, held, credit_limit, open_invoices, frozen, last = row
    return Wallet(org, paid, bonus, held, credit_limit, open_invoices, bool(frozen), last)


def _record_row(record: UsageRecord, settled: Settled) -> Row:
    usage = record.usage
    flags = record.flags
    if settled.charge < charge_of(record.exact):
        flags |= Flag.OVERRUN
    return (
        record.org,
        record.call,
        settled.transaction,
        record.key,
        record.model,
        record.deployment,
        TIER_CODE[record.tier],
        TIER_CODE[record.tier_requested],
        STATUS_CODE[record.status],
        flags.value,
        *_buckets(usage),
        record.exact,
        settled.charge,
        settled.from_bonus,
        record.held,
        settled.balance,
        record.price_ids,
        record.attempts,
        record.queue_ms,
        record.ttft_ms,
        record.total_ms,
        record.error,
    )


def _add_rollup(rollups: dict[Row, list[int]], record: UsageRecord, settled: Settled) -> None:
    hour = hour_of(call_started(record.call))
    cell = (record.org, hour, record.key, record.model, TIER_CODE[record.tier])
    failed = record.status is Status.FAILED or record.status is Status.CRASHED
    added = (1, int(failed), *_buckets(record.usage), settled.charge)
    sums = rollups.get(cell)
    if sums is None:
        rollups[cell] = list(added)
    else:
        for index, value in enumerate(added):
            sums[index] += value


def _crashed(row: Row) -> UsageRecord:
    org, call, amount, key, model, tier = row
    name = TIER_NAME[tier]
    return UsageRecord(
        org=org,
        call=call,
        key=key,
        model=model,
        deployment=0,
        tier=name,
        tier_requested=name,
        status=Status.CRASHED,
        usage=NO_USAGE,
        exact=0,
        held=amount,
        price_ids="",
        error="crashed",
    )
