"""On both engines; what a month's invoice is of stands in tests/unit/jobs/test_invoicing.py."""

from shop import Shop

from puyun.kit.clock import HOUR
from puyun.kit.money import NANO
from puyun.metering.usage import Usage
from puyun.pricing.papers.parties import Seller
from puyun.pricing.statement import parse_month
from puyun.storage.engine import reading, writing
from puyun.storage.papers.monthly import invoice_month, owing
from puyun.storage.reports.statements import close_month
from puyun.storage.wallets import set_credit_limit

NOVEMBER = parse_month("2026-11")


def test_who_owes_is_found_until_it_is_invoiced(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        shop.organization(connection, "looms", 8)
        set_credit_limit(connection, 7, 100 * NANO)
        shop.key = shop.api_key(connection, shop.org, seed=2)
    shop.sell(Usage(output=1_000_000))
    shop.clock.advance(NOVEMBER.end - shop.clock.now() + HOUR)

    def found() -> list[int]:
        with reading(shop.engine) as connection:
            return owing(connection, NOVEMBER, 10)

    assert found() == []
    for org in (7, 8):
        close_month(shop.engine, org, NOVEMBER, shop.clock.now())
    assert found() == [7]
    made = invoice_month(shop.engine, 7, NOVEMBER, Seller(), shop.clock.now())
    assert made is not None
    assert made.amount == 4_999_000_000
    assert found() == []
    assert invoice_month(shop.engine, 7, NOVEMBER, Seller(), shop.clock.now()) is None
