"""What only a file has: how its statements find their rows, and processes that wait for their turn."""

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from till import Till, hold, record

from puyun.kit.clock import ManualClock
from puyun.ledger.command import Held
from puyun.storage.engine import connect_sqlite
from puyun.storage.ledger.sqlite import SqliteLedger
from puyun.storage.ledger.store import StoreUnavailableError
from puyun.storage.sql import statements, with_rows

ORG = 7


@pytest.fixture
def till(file: Path) -> Iterator[Till]:
    till = Till(file)
    till.wallet(ORG, paid=100)
    yield till
    till.close()


def test_amounts_are_whole_numbers(till: Till) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="cannot store REAL value"):
        till.sql.execute("UPDATE wallet SET paid = 1.5")


def test_a_locked_file_is_unavailable(till: Till, file: Path) -> None:
    store = SqliteLedger(file, ManualClock(), 1)
    store._connection.execute("PRAGMA busy_timeout = 1")
    till.sql.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.commit([hold(ORG, till.call(), 1)])
    till.sql.execute("ROLLBACK")
    assert store.commit([hold(ORG, till.call(), 1)]) == [Held(1, 99)]
    store.close()


def test_a_settle_waits_for_the_disk_and_a_hold_does_not(till: Till) -> None:
    call = till.call()
    connection = till.store._connection
    till.one(hold(ORG, call, 10))
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    till.one(record(ORG, call, 1))
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize("name", sorted(statements("ledger")))
def test_no_statement_of_the_hot_path_reads_a_whole_table(file: Path, name: str) -> None:
    """Else a batch would cost more the more calls are open, and a replay the more there ever were."""
    if name in {"orphans", "owners"}:
        return  # read every few seconds beside the hot path: the calls in flight, and the processes
    statement = statements("ledger")[name]
    listed = re.search(r"(?:INSERT INTO \w+|asked|new) \(([^)]*)\)", statement)
    statement = with_rows(statement, 3, listed[1].count(",") + 1 if listed else 1)
    connection = connect_sqlite(file)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", (1,) * statement.count("?")).fetchall()
    connection.close()
    tables = ("wallet", "budget", "b", "w", "hold", "usage_record", "rollup_hour", "journal", "owner")
    assert [step[3] for step in plan if step[3].startswith(tuple(f"SCAN {table}" for table in tables))] == []
