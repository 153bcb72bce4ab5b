import pytest
from books import findings, lines, wallet, why
from shop import NOON, Shop
from sqlalchemy import Engine

from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.ledger.command import Act
from puyun.metering.usage import Usage
from puyun.storage.engine import writing
from puyun.storage.money.grants import adjust
from puyun.storage.money.invoices import InvoiceRow, issue_invoice, list_invoices, pay_invoice, write_off_invoice
from puyun.storage.wallets import MoneyKind, set_credit_limit


@pytest.fixture
def owing(engine: Engine, shop: Shop) -> Shop:
    """It has used 0.004 more than it had, of a limit of 1.00."""
    with writing(engine) as connection:
        set_credit_limit(connection, 7, NANO)
        adjust(connection, 7, -5 * NANO, kind=MoneyKind.PAID, act=why("out"), now=NOON)
        adjust(connection, 7, -NANO // 1000, kind=MoneyKind.BONUS, act=why("out too"), now=NOON)
    shop.sell(Usage(input=1600))
    return shop


def issue(engine: Engine, amount: int | None = None, ref: str = "2026-11") -> InvoiceRow:
    with writing(engine) as connection:
        return issue_invoice(connection, 7, amount, due_at=None, act=why(ref), now=NOON)


@pytest.mark.usefixtures("owing")
def test_an_invoice_asks_for_what_was_used_and_its_payment_frees_the_limit(engine: Engine) -> None:
    before = wallet(engine)
    assert before.paid == -4_000_000
    row = issue(engine)
    assert issue(engine) == row
    assert (row.number, row.amount, row.state) == (1, 4_000_000, "open")
    issued = wallet(engine)
    assert (issued.paid, issued.open_invoices, issued.available) == (0, 4_000_000, before.available)
    assert findings(engine) == []
    with writing(engine) as connection:
        paid = pay_invoice(connection, 1, "main", act=why("wire 9"), now=NOON)
        assert pay_invoice(connection, 1, "main", act=why("wire 9"), now=NOON) == paid
        assert lines(connection, wallet_last(engine)) == [("bank:main", "receivable:invoices", 4_000_000)]
        with pytest.raises(PuyunError) as refused:
            write_off_invoice(connection, 1, "bob", act=why(""), now=NOON)
        assert refused.value.code == "already_ended"
    assert (wallet(engine).open_invoices, wallet(engine).available) == (0, NANO)
    assert findings(engine) == []


def wallet_last(engine: Engine) -> int:
    return wallet(engine).last + 1  # the posting under way


@pytest.mark.usefixtures("owing")
def test_a_write_off_takes_two_persons(engine: Engine) -> None:
    issue(engine)
    with writing(engine) as connection:
        for approved_by, act, code in (
            ("ann", why(""), "second_person_missing"),
            ("bob", Act("", "ann"), "reason_missing"),
        ):
            with pytest.raises(PuyunError) as refused:
                write_off_invoice(connection, 1, approved_by, act=act, now=NOON)
            assert refused.value.code == code
        off = write_off_invoice(connection, 1, "bob", act=why(""), now=NOON)
        assert write_off_invoice(connection, 1, "bob", act=why(""), now=NOON) == off
        with pytest.raises(PuyunError) as refused:
            pay_invoice(connection, 1, "main", act=why(""), now=NOON)
        assert refused.value.code == "already_ended"
        with pytest.raises(PuyunError) as refused:
            pay_invoice(connection, 2, "main", act=why(""), now=NOON)
        assert refused.value.code == "invoice_not_found"
    assert (wallet(engine).open_invoices, wallet(engine).available) == (0, NANO)
    assert findings(engine) == []


def test_numbers_have_no_gap_whatever_was_refused(engine: Engine, owing: Shop) -> None:
    issue(engine, 1_000_000, "a")
    for amount, ref, code in (
        (3_000_001, "x", "invoice_above_debt"),
        (0, "x", "invalid_amount"),
        (2, "a", "reference_reused"),
    ):
        with pytest.raises(PuyunError) as refused:
            issue(engine, amount, ref)
        assert refused.value.code == code
    issue(engine, None, "b")
    with pytest.raises(PuyunError) as refused:
        issue(engine, None, "c")
    assert refused.value.code == "nothing_to_do"
    owing.sell(Usage(input=4))
    issue(engine, None, "c")
    with writing(engine) as connection:
        assert [(row.number, row.amount) for row in list_invoices(connection, 7)] == [
            (3, 10_000),
            (2, 3_000_000),
            (1, 1_000_000),
        ]
        assert list_invoices(connection, 8) == []
    assert findings(engine) == []
