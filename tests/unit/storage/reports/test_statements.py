"""A month in one document: it adds up, and it is the same bytes whatever happens later."""

from typing import Any

import msgspec
import pytest
from books import findings
from shop import NOON, Shop
from sqlalchemy import update

from puyun.catalog.model import Price, Tier
from puyun.kit.clock import DAY, HOUR, MINUTE, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.ledger.hold import Status
from puyun.metering.usage import NO_USAGE, Usage
from puyun.pricing.statement import Month, Statement, document, parse_month, render, to_csv
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.prices import set_price
from puyun.storage.reports.statements import changed_statements, close_month, load_closed, load_statement
from puyun.storage.wallets import MoneyKind, top_up

NOVEMBER = parse_month("2026-11")
DECEMBER = parse_month("2026-12")
USAGE = Usage(input=1234, cached_input=3, output=567)


def load(shop: Shop, month: Month = NOVEMBER) -> Statement:
    with reading(shop.engine) as connection:
        return load_statement(connection, shop.org.id, month)


def shown(statement: Statement) -> Any:
    found = msgspec.json.decode(render(statement))
    assert found == document(statement)
    return found


def until(shop: Shop, moment: int) -> None:
    shop.clock.advance(moment - shop.clock.now())


def test_a_month_adds_up(shop: Shop) -> None:
    shop.sell(USAGE)
    shop.sell(Usage(input=7), model="n")
    shop.sell(NO_USAGE, Status.FAILED)
    shop.sell(Usage(output=500_000), held=1)
    found = shown(load(shop))
    assert (found["organization"], found["month"], found["currency"]) == ("org_7", "2026-11", "USD")
    assert found["opening"]["total"] == "0.00"
    assert [(each["entry"], each["paid"], each["bonus"]) for each in found["movements"]] == [
        ("bonus", "0.00", "0.001"),
        ("topup", "5.00", "0.00"),
    ]
    assert [(each["model"], each["calls"], each["failures"], each["exact"]) for each in found["offers"]] == [
        ("m", 3, 1, "5.0087625"),
        ("n", 1, 0, "0.0000007"),
    ]
    assert [(each["model"], each["meter"], each["tokens"], each["amount"]) for each in found["lines"]] == [
        ("m", "cached_input", 3, "0.0000075"),
        ("m", "input", 1234, "0.003085"),
        ("m", "output", 500_567, "5.00567"),
        ("n", "input", 7, "0.0000007"),
    ]
    assert found["offers"][0]["in_your_favour"] == "1.0087632", "what the key had no budget for"
    assert [(each["key"], each["member"], each["calls"], each["tokens"]) for each in found["keys"]] == [
        ("key_1", None, 4, 501_811)
    ]
    assert [(each["member"], each["calls"]) for each in found["members"]] == [(None, 4)]
    with reading(shop.engine) as connection:
        wallet = connection.execute(schema.wallet.select()).one()
    assert load(shop).closing.total == wallet.paid + wallet.bonus
    assert found["usage"]["charge"] == found["usage"]["settled"]["total"]


def test_the_next_month_opens_where_this_one_closed(shop: Shop) -> None:
    shop.sell(USAGE)
    until(shop, DECEMBER.start + DAY)
    shop.sell(Usage(input=1000))
    november, december = load(shop), load(shop, DECEMBER)
    assert december.opening == november.closing
    assert december.movements == ()
    assert [offer.calls for offer in december.offers] == [1]
    assert load(shop, parse_month("2026-10")).closing.total == 0


def test_a_call_over_midnight_counts_where_it_began_and_is_paid_where_it_ended(shop: Shop) -> None:
    until(shop, NOVEMBER.end - MINUTE)
    call, _ = shop.hold()
    with pytest.raises(PuyunError, match="still run"):
        close_month(shop.engine, shop.org.id, NOVEMBER, Instant(NOVEMBER.end + MINUTE))
    shop.clock.advance(2 * MINUTE)
    shop.settle(call, USAGE)
    november, december = load(shop), load(shop, DECEMBER)
    charge = november.charge
    assert charge > 0
    assert (november.carried_out, november.settled.total) == (charge, 0)
    assert (december.carried_in, december.charge, december.settled.total) == (charge, 0, charge)
    assert december.closing.total == november.closing.total - charge
    assert december.opening == november.closing


def test_a_closed_month_is_made_again_byte_for_byte(shop: Shop) -> None:
    shop.sell(USAGE)
    until(shop, DECEMBER.start + HOUR)
    before = render(load(shop))
    closed = close_month(shop.engine, shop.org.id, NOVEMBER, shop.clock.now())
    with writing(shop.engine) as connection:
        now = shop.clock.now()
        set_price(connection, Price(model="m", tier=Tier.FLEX, meter="output", amount=1), who="t", now=now)
        connection.execute(update(schema.organization).values(name="acme and sons"))
        connection.execute(update(schema.api_key).values(name="another name", revoked_at=now))
        top_up(connection, 7, NANO, kind=MoneyKind.PAID, ref="later", now=now)
    shop.sell(USAGE)
    shop.later(24 * 40)
    assert render(load(shop)) == before
    assert close_month(shop.engine, shop.org.id, NOVEMBER, shop.clock.now()) == closed
    with reading(shop.engine) as connection:
        assert load_closed(connection, shop.org.id, NOVEMBER) == closed
        assert list(changed_statements(connection, 7, 7)) == []
    assert findings(shop.engine, statements=True) == []


@pytest.mark.parametrize("moment", [NOON, NOVEMBER.end - 1])
def test_a_month_that_runs_is_not_closed(shop: Shop, moment: int) -> None:
    with pytest.raises(PuyunError, match="is not over"):
        close_month(shop.engine, shop.org.id, NOVEMBER, Instant(moment))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal SET amount = amount + 1 WHERE entry = 'topup'",
        "UPDATE journal SET amount = amount + 1 WHERE entry = 'usage'",
        "UPDATE usage_record SET output = output + 1",
        "UPDATE usage_record SET charge = charge - 1",
        "UPDATE price SET amount = amount + 1",
        "UPDATE rollup_hour SET calls = calls + 1",
    ],
)
def test_what_is_changed_behind_the_ledger_is_found(shop: Shop, change: str) -> None:
    shop.sell(USAGE)
    until(shop, DECEMBER.start)
    closed = close_month(shop.engine, shop.org.id, NOVEMBER, shop.clock.now())
    with writing(shop.engine) as connection:
        place = " ON {}" if connection.dialect.name == "postgresql" else ""
        for table in ("journal", "usage_record", "price"):
            connection.exec_driver_sql(f"DROP TRIGGER {table}_no_update{place.format(table)}")
        connection.exec_driver_sql(change)
        assert list(changed_statements(connection, 7, 7)) == [(7, closed)]
        assert list(changed_statements(connection, 8, 9)) == []


def test_csv_has_the_same_figures(shop: Shop) -> None:
    shop.sell(USAGE)
    rows = to_csv(load(shop)).splitlines()
    assert rows[0] == "section,entry,tier,model,meter,key,member,price_per_million,quantity,amount"
    assert rows[1] == "opening,,,,,,,,,0.00"
    assert "movement,topup,,,,,,,1,5.00" in rows
    assert "line,,flex,m,output,,,10.00,567,0.00567" in rows
    assert "key,,,,,key_1,,,1,0.0087625" in rows
    assert rows[-1] == "closing,,,,,,,,,4.9922375"
    assert to_csv(load(shop)).splitlines() == rows
