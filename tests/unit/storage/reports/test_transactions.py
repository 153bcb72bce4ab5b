"""What moved a balance: every line once, in order, and all of them together are the balance."""

import re

import pytest
from shop import Shop
from sqlalchemy import event

from puyun.kit.clock import DAY, HOUR
from puyun.kit.money import NANO
from puyun.ledger.acts.topup import Payment
from puyun.ledger.chart import Entry
from puyun.ledger.command import Act
from puyun.metering.usage import Usage
from puyun.storage.engine import reading, writing
from puyun.storage.money.payments import take_payment
from puyun.storage.money.refunds import refund_call
from puyun.storage.reports import transactions
from puyun.storage.reports.transactions import FIRST, moved_page
from puyun.storage.wallets import MoneyKind, load_wallet, top_up

USAGE = Usage(input=1234, output=567)


def every(shop, org=7):
    """All lines, page by page."""
    rows, sizes, after = [], [], FIRST
    while after is not None:
        with reading(shop.engine) as connection:
            page = moved_page(connection, org, after)
        rows += page.rows
        sizes.append(len(page.rows))
        after = page.after
    return rows, sizes


def balance(shop):
    with reading(shop.engine) as connection:
        return load_wallet(connection, 7).balance


def pay(shop, amount, ref):
    with writing(shop.engine) as connection:
        top_up(connection, 7, amount, kind=MoneyKind.PAID, ref=ref, now=shop.clock.now())


def test_an_organization_without_any_has_none(shop):
    with writing(shop.engine) as connection:
        shop.organization(connection, "empty", 8)
    assert every(shop, 8) == ([], [0])


def test_acts_one_by_one_and_calls_by_the_day_are_the_balance(shop):
    call = shop.sell(USAGE)
    shop.sell(USAGE)
    shop.later(24)
    shop.sell(Usage(input=5), model="n")
    with writing(shop.engine) as connection:
        refund_call(connection, 7, call, 1, act=Act("r", "ops", "a test"), now=shop.clock.now())
    rows, sizes = every(shop)
    assert [row.entry for row in rows] == [Entry.USAGE, Entry.REFUND, Entry.USAGE, Entry.BONUS, Entry.TOPUP]
    assert rows[0].amount < 0 < rows[1].amount == 1
    assert rows[1].ref.startswith("req_")
    assert sum(row.amount for row in rows) == balance(shop)
    assert sizes == [5]


def test_what_the_operator_pays_for_a_payment_is_not_the_organizations(shop):
    with writing(shop.engine) as connection:
        payment = Payment(amount=NANO, fee=NANO // 50, tax=NANO // 5, area="DE")
        take_payment(connection, 7, payment, Act("p", "", ""), shop.clock.now())
    rows, _ = every(shop)
    assert Entry.FEE not in {row.entry for row in rows}
    assert rows[0].amount == NANO
    assert sum(row.amount for row in rows) == balance(shop)


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_pages_pass_over_years_and_repeat_nothing(shop, monkeypatch, size):
    monkeypatch.setattr(transactions, "PAGE", size)
    for number in range(7):
        shop.sell(USAGE)
        pay(shop, NANO + number, f"a {number}")
        pay(shop, NANO + number, f"b {number}")  # at the same moment
        shop.later(24 * (400 if number == 3 else 7) + 1)
    rows, sizes = every(shop)
    assert len(rows) == 7 + 14 + 2
    assert rows == sorted(rows, key=lambda row: row.place, reverse=True)
    assert len({row.place for row in rows}) == len(rows)
    assert sum(row.amount for row in rows) == balance(shop)
    assert max(sizes) <= size


def test_the_last_moment_of_a_day_belongs_to_it(shop, monkeypatch):
    monkeypatch.setattr(transactions, "PAGE", 1)
    shop.sell(USAGE)
    shop.clock.advance(12 * HOUR - 1)
    pay(shop, 1, "last moment")
    assert shop.clock.now() % DAY == DAY - 1
    shop.clock.advance(1)
    shop.sell(USAGE)
    pay(shop, 2, "first moment")
    rows, _ = every(shop)
    assert [(row.entry, row.amount) for row in rows[:2]] == [(Entry.USAGE, rows[0].amount), (Entry.TOPUP, 2)]
    assert [row.entry for row in rows[2:4]] == [Entry.USAGE, Entry.TOPUP]
    assert sum(row.amount for row in rows) == balance(shop)


def test_no_query_reads_a_whole_table(shop: Shop):
    shop.sell(USAGE)
    asked = []

    def note(_connection, _cursor, statement, parameters, *_rest):
        asked.append((statement, parameters))

    event.listen(shop.engine, "before_cursor_execute", note)
    with reading(shop.engine) as connection:
        moved_page(connection, 7)
    event.remove(shop.engine, "before_cursor_execute", note)
    asked = [each for each in asked if "SELECT" in each[0]]
    assert len(asked) >= 5
    sqlite = shop.engine.dialect.name == "sqlite"
    with reading(shop.engine) as connection:
        if not sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # a table of three rows is read whole
        for statement, parameters in asked:
            how = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(how + statement, parameters).all())
            assert not re.search(r"SCAN (journal|rollup)|Seq Scan", plan), plan
            if "usage'" in statement:
                assert "ix_journal_acts" in plan, plan
