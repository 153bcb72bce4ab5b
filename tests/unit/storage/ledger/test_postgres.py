"""What only a server has: connections that break, at the commit too, and processes that were taken for dead."""

import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from stage.waiting import until
from till import Till, hold, record

from bench.postgres import Postgres
from puyun.kit.clock import ManualClock
from puyun.ledger.budget import Subject
from puyun.ledger.command import Held, Settled
from puyun.storage.engine import connect_postgres
from puyun.storage.ledger import postgres as module
from puyun.storage.ledger.postgres import SESSION, PostgresLedger
from puyun.storage.ledger.store import StoreUnavailableError
from puyun.storage.sql import statements, with_arrays

ORG = 7


@pytest.fixture
def till(postgres: Postgres) -> Iterator[Till]:
    with postgres.copy("loose") as url:
        till = Till(url)
        till.wallet(ORG, paid=100)
        yield till
        till.close()


def break_connection(till: Till) -> None:
    """Of the store; whatever else is connected stays."""
    store = till.store
    assert isinstance(store, PostgresLedger)
    assert store._opened is not None
    till.sql.execute("SELECT pg_terminate_backend(?, 5000)", (store._opened.info.backend_pid,))


def test_a_broken_connection_is_made_again(till: Till) -> None:
    call = till.call()
    assert till.one(hold(ORG, call, 10)) == Held(10, 90)
    break_connection(till)
    with pytest.raises(StoreUnavailableError) as caught:
        till.one(record(ORG, call, 5))
    assert not caught.value.unknown
    assert till.one(record(ORG, call, 5)) == Settled(5, 0, 95, 1)


class _Breaking(PostgresLedger):
    """Loses its connection at the next commit, before or after the server has done it."""

    after = False
    armed = False

    def _exchange(self, asked):
        connection = self._connection()
        if not self.armed or asked[-1][0] != b"COMMIT":
            return super()._exchange(asked)
        self.armed = False
        if self.after:
            super()._exchange(asked)
        pid = connection.info.backend_pid
        with connect_postgres(self._url) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        return super()._exchange([(b"SELECT 1", ())])


@pytest.mark.parametrize("after", [False, True])
def test_what_became_of_a_commit_is_asked_and_never_guessed(till: Till, after: bool) -> None:
    store = _Breaking(str(till.database), till.clock, 1)
    call = till.call()
    store.after, store.armed = after, True
    if after:
        assert store.commit([hold(ORG, call, 10)]) == [Held(10, 90)]
    else:
        with pytest.raises(StoreUnavailableError) as caught:
            store.commit([hold(ORG, call, 10)])
        assert not caught.value.unknown
        assert store.commit([hold(ORG, call, 10)]) == [Held(10, 90)]
    store.armed = True
    if after:
        assert store.commit([record(ORG, call, 5)]) == [Settled(5, 0, 95, 1)]
    else:
        with pytest.raises(StoreUnavailableError):
            store.commit([record(ORG, call, 5)])
    assert store.commit([record(ORG, call, 5)]) == [Settled(5, 0, 95, 1)]
    assert till.everything(ORG)["wallet"] == [(95, 0, 0, 1)]
    assert len(till.everything(ORG)["record"]) == 1
    store.close()


def test_a_fate_that_nobody_can_tell_is_said_to_be_unknown(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FATE_SECONDS", 0.01)
    store = _Breaking(str(till.database), till.clock, 1)
    call = till.call()
    store.commit([hold(ORG, call, 10)])
    store.after = store.armed = True
    monkeypatch.setitem(module._SQL, "fate", b"SELECT 'in progress' WHERE %s <> ''")
    with pytest.raises(StoreUnavailableError) as caught:
        store.commit([record(ORG, call, 5)])
    assert caught.value.unknown
    assert store.commit([record(ORG, call, 5)]) == [Settled(5, 0, 95, 1)]
    store.close()


@pytest.mark.parametrize("after", [False, True])
def test_of_notes_alone_nobody_can_tell_the_fate(till: Till, after: bool) -> None:
    """They have no wallet, and so no number to ask for; who asks again would count them twice."""
    store = _Breaking(str(till.database), till.clock, 1)
    store.after, store.armed = after, True
    with pytest.raises(StoreUnavailableError) as caught:
        store.commit([], {(ORG, 1, "test", "capacity_unavailable", 0): 1})
    assert caught.value.unknown
    assert len(till.rows("SELECT id FROM tally_inbox")) == int(after)
    store.close()


def test_a_server_that_is_gone_is_unavailable() -> None:
    store = PostgresLedger("postgresql://nobody@/none?host=/nowhere", ManualClock(), 1)
    with pytest.raises(StoreUnavailableError):
        store.commit([hold(ORG, 1, 1)])
    store.close()


def test_a_row_that_somebody_keeps_locked_is_waited_for_and_then_given_up(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SESSION, "statement_timeout", "50ms")
    store = PostgresLedger(str(till.database), till.clock, 1)
    with psycopg.connect(str(till.database)) as other:
        other.execute("SELECT FROM wallet FOR UPDATE")
        with pytest.raises(StoreUnavailableError, match="timeout"):
            store.commit([hold(ORG, till.call(), 1)])
        other.rollback()
        assert store.commit([hold(ORG, till.call(), 1)]) == [Held(1, 99)]
    store.close()


def test_who_was_taken_for_dead_takes_no_holds_but_may_end_those_of_others(till: Till) -> None:
    call = till.call()
    till.one(hold(ORG, call, 10))
    till.sql.execute("INSERT INTO owner (id, slot, started_at) VALUES (2, 2, 0)")
    till.sql.execute("UPDATE hold SET owner = 2")
    till.sql.execute("DELETE FROM owner WHERE id = 1")
    with pytest.raises(StoreUnavailableError, match="taken for dead"):
        till.one(hold(ORG, till.call(), 10))
    assert till.one(record(ORG, call, 5)) == Settled(5, 0, 95, 1)
    till.store.owner = 2
    assert till.one(hold(ORG, till.call(), 10)) == Held(10, 85)


def test_an_owner_s_row_outlives_the_batch_that_names_it(till: Till) -> None:
    """Else a hold could be written after its owner was buried, and nobody would ever return it."""
    with psycopg.connect(str(till.database)) as other:
        other.execute(module._SQL["alive"], (1,))
        till.sql.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            till.sql.execute("DELETE FROM owner WHERE id = 1")


LOADER = """
import sys
from till import NOON, hold, record
from puyun.kit.clock import ManualClock
from puyun.kit.ids import CallSequence
from puyun.storage.ledger.postgres import PostgresLedger
number = int(sys.argv[2])
store, calls = PostgresLedger(sys.argv[1], ManualClock(NOON), 1), CallSequence(number)
orgs = [7, 8, 9]
for turn in range(60):
    mine = [(org, calls.next(NOON)) for org in orgs[turn % 3:] + orgs[:turn % 3]]
    store.commit([hold(org, call, 1, key=70) for org, call in mine])
    store.commit([record(org, call, 1, key=70) for org, call in mine])
"""


def test_processes_with_the_same_wallets_and_budgets_never_lock_each_other_out(till: Till) -> None:
    for org in (8, 9):
        till.wallet(org, paid=1000)
    till.sql.execute("UPDATE wallet SET paid = 1000")
    for org in (7, 8, 9):
        till.guard(org, Subject.KEY, 70, 10_000)
    env = {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", LOADER, str(till.database)]
    children = [subprocess.Popen([*command, str(number)], env=env, stderr=subprocess.PIPE) for number in range(4)]
    errors = [child.communicate(timeout=60)[1].decode() for child in children]
    assert errors == [""] * 4
    assert till.rows("SELECT org, paid, held FROM wallet ORDER BY org") == [(org, 760, 0) for org in (7, 8, 9)]
    assert till.rows("SELECT spent, held FROM budget_window") == [(240, 0)] * 3


@pytest.mark.parametrize("name", sorted(statements("ledger_postgres")))
def test_no_statement_of_the_hot_path_reads_a_whole_table(till: Till, name: str) -> None:
    """Not even one that was empty when its figures were last taken."""
    if name in {"orphans", "owners", "fate", "take_slot", "give_slot", "add_owner", "owner", "bury", "delete_owner"}:
        return  # asked every few seconds beside the hot path
    text = with_arrays(statements("ledger_postgres")[name])
    till.sql.execute("ANALYZE")
    with connect_postgres(str(till.database), **SESSION) as connection:
        count = text.count("%s")
        numbered = text
        for place in range(count):
            numbered = numbered.replace("%s", f"${place + 1}", 1)
        connection.execute(f"PREPARE asked AS {numbered}".encode())
        values = ", ".join(["NULL"] * count)
        plan = connection.execute(f"EXPLAIN EXECUTE asked({values})".encode()).fetchall()
    assert [row[0] for row in plan if "Seq Scan" in row[0]] == []


def test_a_server_that_restarts_loses_nothing_that_was_told(postgres: Postgres, till: Till) -> None:
    call = till.call()
    till.one(hold(ORG, call, 10))
    postgres.stop()
    with pytest.raises(StoreUnavailableError):
        till.one(record(ORG, call, 5))
    postgres.start()

    def settled() -> bool:
        try:
            return till.one(record(ORG, call, 5)) == Settled(5, 0, 95, 1)
        except StoreUnavailableError:
            return False

    until(settled, "the settle")
    till.sql.close()
    till.sql = type(till)(till.database).sql
    assert till.everything(ORG)["wallet"] == [(95, 0, 0, 1)]
