"""The contract of a store, on each engine: atomicity, the database as the last defence, orphans. That it answers as the
book does, in any batching, is a property (tests/properties/test_ledger_store.py).
"""

import sqlite3
from collections.abc import Iterator

import psycopg
import pytest
from till import Till, columns, grow, hold, record

from puyun.kit.clock import HOUR
from puyun.ledger.command import Held, Reason, Refused, Settled
from puyun.ledger.hold import Status
from puyun.metering.record import Flag
from puyun.storage.engine import Database
from puyun.storage.ledger.opening import open_store
from puyun.storage.ledger.store import BATCH_MAX

ORG = 7

REFUSED = (sqlite3.IntegrityError, psycopg.IntegrityError)


@pytest.fixture
def till(anywhere: Database) -> Iterator[Till]:
    till = Till(anywhere)
    till.wallet(ORG, paid=100)
    yield till
    till.close()


def test_hold_and_settle_leave_a_record_a_rollup_and_two_lines(till: Till) -> None:
    till.sql.execute("UPDATE wallet SET bonus = 5")
    call = till.call()
    assert till.one(hold(ORG, call, 60)) == Held(60, 45)
    assert till.everything(ORG)["hold"] == [(call, 60, 70, 1, 1, 2)]
    assert till.one(record(ORG, call, 25)) == Settled(25, 5, 80, 1)
    found = till.everything(ORG)
    assert found["hold"] == []
    assert found["wallet"] == [(80, 0, 0, 1)]
    assert found["journal"] == [
        (1, 0, "usage", "wallet.bonus", "revenue:flex", 5),
        (1, 1, "usage", "wallet.paid", "revenue:flex", 20),
    ]
    assert till.rows("SELECT key, model, tier, calls, failures, input, output, charge FROM rollup_hour") == [
        (70, 1, 2, 1, 0, 25, 1, 25)
    ]
    exact, charge, bonus, balance = till.rows("SELECT exact, charge, from_bonus, balance_after FROM usage_record")[0]
    assert (exact, charge, bonus, balance) == (25_000, 25, 5, 80)


def test_what_the_operator_absorbs_is_flagged(till: Till) -> None:
    call = till.call()
    till.one(hold(ORG, call, 60))
    assert till.one(record(ORG, call, 101)) == Settled(100, 0, 0, 1)
    assert till.rows("SELECT flags, exact, charge FROM usage_record") == [(Flag.OVERRUN.value, 101_000, 100)]


def test_a_call_belongs_to_the_hour_in_which_it_began(till: Till) -> None:
    call = till.call()
    till.one(hold(ORG, call, 60))
    till.clock.advance(3 * HOUR)
    till.one(record(ORG, call, 1))
    assert till.rows("SELECT hour FROM rollup_hour") == [((till.clock.now() - 3 * HOUR) // HOUR,)]


def test_failures_are_counted_as_such(till: Till) -> None:
    for status in Status:
        call = till.call()
        till.one(hold(ORG, call, 10))
        till.one(record(ORG, call, 3, status))
    assert till.rows("SELECT calls, failures, charge FROM rollup_hour") == [(5, 2, 9)]


def test_a_hold_that_grows_in_its_own_batch_is_written_as_it_ends_up(till: Till) -> None:
    call, other = till.call(), till.call()
    asks = [hold(ORG, call, 10), hold(ORG, other, 1), grow(ORG, call, 5), grow(ORG, call, 5), record(ORG, other, 1)]
    assert till.store.commit(asks)[2:4] == [Held(15, 84), Held(20, 79)]
    assert columns(till.everything(ORG)["hold"], 2, 3, 4, 5) == [(call, 20)]
    assert till.everything(ORG)["wallet"] == [(99, 0, 20, 1)]


def test_an_ended_call_s_number_is_never_held_again(till: Till) -> None:
    """Such as after a clock that was set back over a restart: the old record must not be met at the settle."""
    call = till.call()
    till.store.commit([hold(ORG, call, 10), record(ORG, call, 5)])
    assert till.one(hold(ORG, call, 10)) == Refused(Reason.FINISHED)
    assert till.one(record(ORG, call, 9)) == Settled(5, 0, 95, 1)
    assert till.everything(ORG)["wallet"] == [(95, 0, 0, 1)]


def test_a_batch_is_written_as_a_whole_or_not_at_all(till: Till) -> None:
    """I11. A broken row anywhere undoes everything, and the next batch finds the state from before."""
    calls = [till.call() for _ in range(3)]
    till.one(hold(ORG, calls[0], 10))
    till.sql.execute(LINE.format(number=1, debit="x", amount=1))
    before = till.everything(ORG)
    with pytest.raises(REFUSED):
        till.store.commit([hold(ORG, calls[1], 10), record(ORG, calls[0], 5), hold(ORG, calls[2], 10)])
    assert till.everything(ORG) == before
    till.sql.execute("UPDATE wallet SET last = 1")
    assert till.one(record(ORG, calls[0], 5)) == Settled(5, 0, 95, 2)


def test_what_no_integer_of_the_database_holds_undoes_the_batch_too(till: Till) -> None:
    call = till.call()
    till.one(hold(ORG, call, 10))
    before = till.everything(ORG)
    with pytest.raises((OverflowError, psycopg.DataError)):
        till.one(record(ORG, call, 2**60))
    assert till.everything(ORG) == before
    assert till.one(record(ORG, call, 1)) == Settled(1, 0, 99, 1)


def test_a_settle_without_a_hold_writes_nothing(till: Till) -> None:
    before = till.everything(ORG)
    assert till.one(record(ORG, till.call(), 5)) == Refused(Reason.NO_HOLD)
    assert till.everything(ORG) == before


def test_an_organization_without_a_wallet_is_refused(till: Till) -> None:
    assert till.one(hold(8, till.call(), 0)) == Refused(Reason.NO_WALLET)


DEFENCES = """
UPDATE wallet SET held = 101                            | ck_wallet_available
UPDATE wallet SET paid = -1                             | ck_wallet_available
UPDATE wallet SET credit_limit = 5, open_invoices = 106 | ck_wallet_available
UPDATE wallet SET bonus = -1                            | ck_wallet_signs
UPDATE wallet SET held = -1                             | ck_wallet_signs
UPDATE wallet SET credit_limit = -1                     | ck_wallet_signs
UPDATE wallet SET paid = 1000000000000000001            | ck_wallet_bounds
UPDATE wallet SET paid = 'much'                         | cannot store TEXT value|invalid input syntax
UPDATE budget_window SET spent = -1                     | ck_budget_window_signs
UPDATE budget_window SET held = -1                      | ck_budget_window_signs
UPDATE budget SET amount = 0                            | ck_budget_amount
UPDATE budget SET period = 4                            | ck_budget_codes
UPDATE hold SET amount = -1                             | ck_hold_amount
UPDATE usage_record SET charge = 0                      | usage_record is append-only
DELETE FROM usage_record                                | usage_record is append-only
UPDATE journal SET amount = 1                           | journal is append-only
DELETE FROM journal                                     | journal is append-only
UPDATE price SET amount = 1                             | price is append-only
DELETE FROM price                                       | price is append-only
INSERT INTO hold SELECT * FROM hold                     | UNIQUE constraint failed|duplicate key
INSERT INTO usage_record SELECT * FROM usage_record     | UNIQUE constraint failed|duplicate key
INSERT INTO journal SELECT * FROM journal               | UNIQUE constraint failed|duplicate key
"""
LINE = (
    "INSERT INTO journal (org, number, line, entry, debit, credit, amount, at) "
    "VALUES (7, {number}, 0, 'usage', '{debit}', 'y', {amount}, 0)"
)
LINES = [
    f"{LINE.format(number=9, debit='x', amount=0)} | ck_journal_amount",
    f"{LINE.format(number=9, debit='y', amount=1)} | ck_journal_sides",
]


def test_the_database_is_the_last_defence(till: Till) -> None:
    """I2, I3, I4, I8: whatever a program gets wrong, these rows cannot be written."""
    till.budget(70, 50)
    calls = [till.call(), till.call()]
    till.store.commit([hold(ORG, calls[0], 10), record(ORG, calls[0], 5), hold(ORG, calls[1], 10)])
    price = "INSERT INTO price (model, tier, meter, amount, effective_from, created_at) VALUES (1, 'flex', 'input', 1, 0, 0)"
    till.sql.execute(price)
    before = till.everything(ORG)
    for row in [*DEFENCES.strip().splitlines(), *LINES]:
        statement, _, message = (part.strip() for part in row.partition("|"))
        with pytest.raises((*REFUSED, psycopg.DataError), match=message):
            till.sql.execute(statement)
        assert till.everything(ORG) == before, statement


def test_a_wallet_changed_behind_our_back_cannot_be_overdrawn(till: Till) -> None:
    """The book decides from what it reads under the lock, so there is no moment to slip in between."""
    call = till.call()
    till.one(hold(ORG, call, 60))
    till.sql.execute("UPDATE wallet SET paid = 61")
    assert till.one(hold(ORG, till.call(), 2)) == Refused(Reason.CREDIT, 2, 1)
    assert till.one(record(ORG, call, 100)) == Settled(61, 0, 0, 1)


def test_holds_of_a_dead_owner_return_uncharged_each_with_a_record(till: Till) -> None:
    """I14. More of them than one batch holds; those of others stay."""
    calls = [till.call() for _ in range(BATCH_MAX + 6)]
    till.store.commit([hold(ORG, call, 1, tier="test") for call in calls[:BATCH_MAX]])
    till.store.commit([hold(ORG, call, 1) for call in calls[BATCH_MAX:]])
    till.sql.execute("INSERT INTO owner (id, slot, started_at) VALUES (2, 2, 0)")
    alive = open_store(till.database, till.clock, 2)
    mine = till.call()
    alive.commit([hold(ORG, mine, 3)])
    assert alive.expire_orphans() == 0
    till.sql.execute("DELETE FROM owner WHERE id = 1")
    assert alive.expire_orphans() == BATCH_MAX + 6
    assert till.everything(ORG)["wallet"] == [(100, 0, 3, 0)]
    assert columns(till.everything(ORG)["hold"], 1, 2, 3, 4, 5) == [(mine,)]
    shown = "SELECT DISTINCT status, charge, held, error, price_ids FROM usage_record"
    assert till.rows(shown) == [(5, 0, 1, "crashed", "")]
    assert till.rows("SELECT count(*) FROM usage_record") == [(BATCH_MAX + 6,)]
    assert alive.expire_orphans() == 0
    alive.close()


def test_who_was_taken_for_dead_cannot_charge_any_more(till: Till) -> None:
    call = till.call()
    till.one(hold(ORG, call, 10))
    till.sql.execute("DELETE FROM owner")
    assert till.store.expire_orphans() == 1
    assert till.one(record(ORG, call, 9)) == Settled(0, 0, 100, 0)


def test_what_is_refused_writes_nothing(till: Till) -> None:
    """A flood of calls that nobody can pay for is no flood of rows, nor of versions of one."""
    versions = "SELECT xmin::text FROM wallet" if isinstance(till.database, str) else "PRAGMA data_version"
    before = till.everything(ORG), till.rows(versions)
    assert till.store.commit([hold(ORG, till.call(), 101) for _ in range(3)]) == [Refused(Reason.CREDIT, 101, 100)] * 3
    assert (till.everything(ORG), till.rows(versions)) == before
