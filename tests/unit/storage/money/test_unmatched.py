from concurrent.futures import ThreadPoolExecutor

import pytest
from books import findings, lines, wallet
from shop import NOON, Shop
from sqlalchemy import Connection, Engine
from stage.waiting import PATIENCE, until

from puyun.kit.clock import MINUTE, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.ledger.acts.topup import Payment
from puyun.ledger.command import Act
from puyun.storage.engine import Database, open_engine, reading, writing
from puyun.storage.money.unmatched import Unmatched, keep_payment, list_unmatched, match_payment, return_payment

LATER = Instant(NOON + MINUTE)

pytestmark = pytest.mark.usefixtures("shop")


def kept(connection: Connection, ref: str = "tx_1", amount: int = NANO, currency: str = "USD") -> Unmatched:
    came = Payment(amount=amount, processor="bank")
    return keep_payment(connection, came, currency, act=Act(ref, "ann", "thanks, acme"), now=NOON)


def keep(engine: Engine, ref: str = "tx_1", amount: int = NANO, currency: str = "USD") -> Unmatched:
    with writing(engine) as connection:
        return kept(connection, ref, amount, currency)


def match(engine: Engine, ref: str = "tx_1", org: int = 7) -> Unmatched:
    with writing(engine) as connection:
        return match_payment(connection, "bank", org, act=Act(ref, "bob"), now=LATER)


def give_up(engine: Engine, ref: str = "tx_1", why: str = "unknown payer") -> Unmatched:
    with writing(engine) as connection:
        return return_payment(connection, "bank", act=Act(ref, "bob", why), now=LATER)


def refused(what, *args, **named) -> str:
    with pytest.raises(PuyunError) as caught:
        what(*args, **named)
    return caught.value.code


def open_now(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [row.ref for row in list_unmatched(connection)]


def test_nobody_is_credited_until_it_is_matched_and_then_once(engine: Engine) -> None:
    before = wallet(engine)
    assert keep(engine) == keep(engine)
    assert wallet(engine) == before
    assert open_now(engine) == ["tx_1"]
    first = match(engine)
    assert match(engine) == first
    assert (first.state, first.org, first.by, first.ended_at) == ("matched", 7, "bob", LATER)
    assert wallet(engine).paid == before.paid + NANO
    with reading(engine) as connection:
        assert lines(connection, before.last + 1) == [("processor:bank", "wallet.paid", NANO)]
        assert [row.state for row in list_unmatched(connection, ended=True)] == ["matched"]
    assert open_now(engine) == []
    assert keep(engine) == first, "the processor says it again"
    assert findings(engine) == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_of_two_at_once_the_second_waits_and_finds_the_first(engine: Engine, database: Database) -> None:
    other = open_engine(database)
    with ThreadPoolExecutor(1) as pool:
        with writing(engine) as connection:
            first = kept(connection)
            same, another = pool.submit(keep, other), pool.submit(refused, keep, other, amount=2)
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            until(lambda: connection.exec_driver_sql(waits).scalar(), "the second to wait for the first")
        assert same.result(PATIENCE) == first
        assert another.result(PATIENCE) == "reference_reused"
    other.dispose()
    assert open_now(engine) == ["tx_1"]


def test_what_ended_in_one_way_does_not_end_in_another(engine: Engine, shop: Shop) -> None:
    with writing(engine) as connection:
        shop.organization(connection, "other", 8)
    keep(engine)
    assert refused(give_up, engine, why="") == "reason_missing"
    assert give_up(engine) == give_up(engine)
    assert refused(match, engine) == "already_ended"
    keep(engine, "tx_2")
    match(engine, "tx_2")
    assert refused(give_up, engine, "tx_2") == "already_ended"
    assert refused(match, engine, "tx_2", 8) == "already_ended"
    assert refused(match, engine, "tx_3") == "payment_not_found"
    assert findings(engine) == []


@pytest.mark.parametrize(
    ("payment", "code"),
    [
        ({"amount": 0}, "invalid_amount"),
        ({"amount": 10**18}, "invalid_amount"),
        ({"ref": ""}, "invalid_reference"),
        ({"amount": 2}, "reference_reused"),
        ({"currency": "EUR"}, "reference_reused"),
    ],
)
def test_what_is_not_kept(engine: Engine, payment: dict, code: str) -> None:
    keep(engine)
    assert refused(keep, engine, **payment) == code


def test_another_currency_is_not_credited_by_guess(engine: Engine) -> None:
    keep(engine, currency="EUR")
    assert refused(match, engine) == "currency_differs"
    assert open_now(engine) == ["tx_1"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE unmatched_payment SET amount = amount + 1",
        "UPDATE unmatched_payment SET processor = 'other'",
        "UPDATE unmatched_payment SET ref = 'tx_9'",
    ],
)
def test_a_matched_payment_that_is_not_its_posting_is_found(engine: Engine, change: str) -> None:
    keep(engine)
    match(engine)
    with writing(engine) as connection:
        connection.exec_driver_sql(change)
    assert [check for check, _, _ in findings(engine)] == ["A17"]
