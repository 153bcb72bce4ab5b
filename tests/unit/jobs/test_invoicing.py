"""An organization with a credit limit gets one invoice a month: of what it owed at the end of it, and still does."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import Shop

from puyun.jobs.closing import Closing
from puyun.jobs.invoicing import Invoicing
from puyun.kit.clock import DAY, HOUR
from puyun.kit.money import NANO
from puyun.ledger.command import Act
from puyun.metering.usage import Usage
from puyun.pricing.papers.parties import Buyer, Seller
from puyun.pricing.statement import parse_month
from puyun.storage.audit import Counts, audit
from puyun.storage.engine import open_engine, reading, writing
from puyun.storage.money.invoices import InvoiceRow, issue_invoice, list_invoices
from puyun.storage.papers.details import save_details
from puyun.storage.papers.issuing import page_of_papers
from puyun.storage.wallets import MoneyKind, load_wallet, set_credit_limit, top_up

NOVEMBER = parse_month("2026-11")
SELLER = Seller(name="Puyun Ltd", address="1 Road", monthly=True, due_days=14)
USED = Usage(output=1_000_000)
"""10.00, of which 5.001 were paid before or given."""


@pytest.fixture
def shop(tmp_path: Path, migrated: Path) -> Iterator[Shop]:
    database = Path(shutil.copy(migrated, tmp_path / "puyun.db"))
    engine = open_engine(database)
    shop = Shop(engine, database)
    with writing(engine) as connection:
        set_credit_limit(connection, 7, 100 * NANO)
        shop.key = shop.api_key(connection, shop.org, seed=2)
    yield shop
    shop.store.close()
    engine.dispose()


def december(shop: Shop) -> Invoicing:
    """The month is over and closed."""
    shop.clock.advance(NOVEMBER.end - shop.clock.now() + HOUR)
    Closing(shop.engine, shop.clock).once()
    return Invoicing(shop.engine, shop.clock, SELLER)


def invoices(shop: Shop) -> list[InvoiceRow]:
    with reading(shop.engine) as connection:
        assert list(audit(connection, Counts(), lambda _done, _all: None)) == []
        return list_invoices(connection, 7)


def test_a_month_is_invoiced_once_and_only_what_it_owed(shop: Shop) -> None:
    shop.sell(USED)
    assert Invoicing(shop.engine, shop.clock, SELLER).once() == 0
    job = december(shop)
    shop.sell(USED)
    assert [job.once(), job.once()] == [1, 0]
    [row] = invoices(shop)
    assert (row.ref, row.amount, row.state) == ("2026-11", 4_999_000_000, "open")
    assert row.due_at == row.issued_at + 14 * DAY
    with reading(shop.engine) as connection:
        assert load_wallet(connection, 7).paid == -10 * NANO
        assert page_of_papers(connection, 7) == ([], None)


def test_with_billing_details_its_paper_is_there_at_once(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        save_details(connection, 7, Buyer(name="Acme", address="x"), by="ada", now=shop.clock.now())
    shop.sell(USED)
    assert december(shop).once() == 1
    with reading(shop.engine) as connection:
        [paper], _ = page_of_papers(connection, 7)
    assert paper.name == "I-000001"
    assert len(invoices(shop)) == 1


def test_what_was_paid_since_is_not_asked_for_again(shop: Shop) -> None:
    shop.sell(USED)
    job = december(shop)
    with writing(shop.engine) as connection:
        top_up(connection, 7, 4 * NANO, kind=MoneyKind.PAID, ref="wire", now=shop.clock.now())
    assert job.once() == 1
    assert [row.amount for row in invoices(shop)] == [999_000_000]


def test_nothing_is_asked_of_who_owed_nothing_or_paid_it(shop: Shop) -> None:
    job = december(shop)
    shop.sell(USED)  # in December
    assert job.once() == 0
    assert invoices(shop) == []


def test_one_that_was_issued_by_hand_under_the_months_name_is_its_invoice(shop: Shop) -> None:
    shop.sell(USED)
    with writing(shop.engine) as connection:
        issue_invoice(connection, 7, NANO, due_at=None, act=Act("2026-11", "ops"), now=shop.clock.now())
    assert december(shop).once() == 0
    assert [row.amount for row in invoices(shop)] == [NANO]


def test_a_month_that_is_not_closed_waits(shop: Shop) -> None:
    shop.sell(USED)
    shop.clock.advance(NOVEMBER.end - shop.clock.now() + HOUR)
    assert Invoicing(shop.engine, shop.clock, SELLER).once() == 0
    assert invoices(shop) == []
