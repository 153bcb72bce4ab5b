"""A database with wallets and nothing sold: what the ledger store alone needs, and what it has written."""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Protocol

import psycopg

from puyun.kit.clock import Instant, ManualClock
from puyun.kit.ids import CallSequence
from puyun.ledger.budget import Period, Subject
from puyun.ledger.command import Grow, Hold
from puyun.ledger.hold import Status
from puyun.metering.record import UsageRecord
from puyun.metering.usage import Usage
from puyun.storage.engine import Database, connect_postgres, connect_sqlite
from puyun.storage.ledger.opening import open_store
from puyun.storage.ledger.store import Ask

NOON = Instant(1_795_608_000_000_000)
"""2026-11-25T12:00:00Z."""

_EVERYTHING = {
    "wallet": "SELECT paid, bonus, held, last FROM wallet WHERE org = ?",
    "budget": "SELECT b.subject, b.number, w.number, w.spent, w.held FROM budget AS b JOIN budget_window AS w"
    " ON w.budget = b.id WHERE b.org = ? AND (w.spent <> 0 OR w.held <> 0) ORDER BY 1, 2, 3, b.id",
    "hold": "SELECT call, amount, key, owner, model, tier FROM hold WHERE org = ? ORDER BY call",
    "record": "SELECT * FROM usage_record WHERE org = ? ORDER BY call",
    "rollup": "SELECT *, charge FROM rollup_hour WHERE org = ? ORDER BY hour, key, model, tier",
    "journal": "SELECT number, line, entry, debit, credit, amount FROM journal WHERE org = ? ORDER BY number, line",
}


class Sql(Protocol):
    """A connection that takes SQL as SQLite has it."""

    def execute(self, query: str, values: Sequence[object] = ..., /) -> sqlite3.Cursor | psycopg.Cursor: ...

    def close(self) -> None: ...


class _Postgres:
    def __init__(self, url: str) -> None:
        self._connection = connect_postgres(url)

    def execute(self, query: str, values: Sequence[object] = (), /) -> psycopg.Cursor:
        return self._connection.execute(re.sub(r"\?", "%s", query).encode(), values or None)

    def close(self) -> None:
        self._connection.close()


def sql(database: Database) -> Sql:
    """A connection beside all of the product's own code. Names need not refer to rows that exist."""
    if isinstance(database, str):
        return _Postgres(database)
    connection = connect_sqlite(database)
    connection.execute("PRAGMA foreign_keys = OFF")
    return connection


class Till:
    """The store on a database, and SQL beside it. The keys of organization 7 are 70 to 79."""

    def __init__(self, database: Database, owner: int = 1) -> None:
        self.database = database
        self.clock = ManualClock(NOON)
        self.calls = CallSequence(0)
        self.store = open_store(database, self.clock, owner)
        self.sql = sql(database)
        known = "INSERT INTO owner (id, slot, started_at) VALUES (?, ?, 0) ON CONFLICT DO NOTHING"
        self.sql.execute(known, (owner, owner))

    def close(self) -> None:
        self.store.close()
        self.sql.close()

    def wallet(self, org: int, *, paid: int = 0, bonus: int = 0, credit_limit: int = 0) -> None:
        """Its money comes without a journal; what the store adds to it has one."""
        row = (org, paid, bonus, credit_limit)
        self.sql.execute(
            "INSERT INTO wallet (org, currency, paid, bonus, credit_limit) VALUES (?, 'USD', ?, ?, ?)", row
        )

    def budget(self, key: int, limit: int, *, period: Period = Period.TOTAL, hard: bool = True) -> None:
        self.guard(key // 10, Subject.KEY, key, limit, period=period, hard=hard)

    def guard(
        self,
        org: int,
        subject: Subject,
        number: int,
        limit: int,
        *,
        period: Period = Period.TOTAL,
        hard: bool = True,
        since: int = 0,
    ) -> None:
        row = (org, subject.value, number, period.value, int(hard), limit, since)
        self.sql.execute(
            "INSERT INTO budget (org, subject, number, period, hard, amount, since, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            row,
        )

    def call(self) -> int:
        return self.calls.next(self.clock.now())

    def one(self, ask: Ask):
        """The outcome of a batch of one."""
        return self.store.commit([ask])[0]

    def rows(self, query: str, *values: object) -> list[tuple]:
        return self.sql.execute(query, values).fetchall()

    def everything(self, org: int) -> dict[str, list[tuple]]:
        return {name: self.rows(query, org) for name, query in _EVERYTHING.items()}


def hold(org: int, call: int, amount: int, *, key: int = 0, tier: str = "flex") -> Hold:
    return Hold(org, call, key or org * 10, amount, 1, tier)


def grow(org: int, call: int, amount: int, *, key: int = 0) -> Grow:
    return Grow(org, call, key or org * 10, amount)


def record(
    org: int, call: int, rated: int, status: Status = Status.COMPLETED, *, key: int = 0, tier: str = "flex"
) -> UsageRecord:
    """`rated` in nano-units; the usage is `rated` tokens, so that rollups have something to add up."""
    return UsageRecord(
        org=org,
        call=call,
        key=key or org * 10,
        model=1,
        deployment=2,
        tier=tier,
        tier_requested=tier,
        status=status,
        usage=Usage(input=rated, output=1),
        exact=rated * 1000,
        held=5,
        price_ids="1 2",
    )


def columns(rows: Iterable[tuple], *places: int) -> list[tuple]:
    """The rows without these columns."""
    return [tuple(value for place, value in enumerate(row) if place not in places) for row in rows]
