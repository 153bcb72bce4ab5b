import pytest
from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from puyun.catalog.model import Price, Tier
from puyun.kit.clock import SECOND, Instant
from puyun.kit.errors import PuyunError
from puyun.pricing.pricebook import PriceBook, Revocation
from puyun.storage import schema
from puyun.storage.catalog import prices_from
from puyun.storage.engine import reading, writing
from puyun.storage.prices import load_price_rows, revoke_price, set_price

NOW = Instant(1_000_000)


@pytest.fixture
def engine_with_model(engine: Engine) -> Engine:
    with writing(engine) as connection:
        connection.execute(insert(schema.model).values(name="m", kind="chat", context_length=10))
    return engine


def price(amount: int | None, *, model: str = "m", meter: str = "input", start: int | None = None) -> Price:
    return Price(model=model, tier=Tier.FLEX, meter=meter, amount=amount, effective_from=start)


def revision(connection: Connection) -> int:
    return connection.execute(select(schema.revision.c.value).where(schema.revision.c.name == "catalog")).scalar_one()


def test_a_row_says_what_from_when_by_whom_and_why(engine_with_model: Engine) -> None:
    with writing(engine_with_model) as connection:
        row = set_price(connection, price(2_500_000), who="ada", reason="launch", now=NOW)
        assert (row.id, row.amount, row.effective_from, row.created_by, row.reason) == (
            1,
            2_500_000,
            NOW,
            "ada",
            "launch",
        )
        assert revision(connection) == 1
    with reading(engine_with_model) as connection:
        assert load_price_rows(connection) == [row]


@pytest.mark.parametrize(("start", "stored"), [(None, NOW), (NOW - 1, NOW), (NOW + 1, NOW + 1)])
def test_no_price_begins_in_the_past(engine_with_model: Engine, start: int | None, stored: int) -> None:
    with writing(engine_with_model) as connection:
        assert set_price(connection, price(1, start=start), who="ada", now=NOW).effective_from == stored


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (price(1, model="zz"), "model_not_found"),
        (price(1, meter="inputs"), "invalid_meter"),
        (price(-1), "invalid_price"),
        (price(10**12 + 1), "invalid_price"),
    ],
)
def test_what_is_no_price(engine_with_model: Engine, wrong: Price, code: str) -> None:
    with writing(engine_with_model) as connection, pytest.raises(PuyunError) as refused:
        set_price(connection, wrong, who="ada", now=NOW)
    assert refused.value.code == code


def test_a_price_is_withdrawn_by_a_newer_row_and_history_stays(engine_with_model: Engine) -> None:
    with writing(engine_with_model) as connection:
        set_price(connection, price(5), who="ada", now=NOW)
        set_price(connection, price(None), who="ada", now=Instant(NOW + 1))
        assert [row.amount for row in load_price_rows(connection)] == [5, None]


@pytest.mark.parametrize("act", [update(schema.price).values(amount=1), delete(schema.price)])
def test_the_database_refuses_to_rewrite_a_price(engine_with_model: Engine, act: object) -> None:
    with writing(engine_with_model) as connection:
        set_price(connection, price(5), who="ada", now=NOW)
    with pytest.raises(IntegrityError, match="append-only"), writing(engine_with_model) as connection:
        connection.execute(act)


def test_a_revoked_announcement_never_takes_effect_and_is_kept(engine_with_model: Engine) -> None:
    with writing(engine_with_model) as connection:
        set_price(connection, price(5), who="ada", now=NOW)
        row = set_price(connection, price(9, start=NOW + 100 * SECOND), who="ada", now=NOW)
        before = revision(connection)
        revoke_price(connection, row.id, who="mia", reason="too dear", now=Instant(NOW + 70 * SECOND))
        assert revision(connection) == before + 1
        rows = load_price_rows(connection)
        assert connection.execute(select(schema.price.c.amount)).scalars().all() == [5, 9]
    book = PriceBook(rows)
    rates = book.rates("m", Tier.FLEX, Instant(NOW + 200 * SECOND))
    assert rates is not None
    assert (rates.by_meter["input"].price, rates.until) == (5, None)
    assert book.announced(NOW) == []
    assert book.by_id[row.id].revoked == Revocation(Instant(NOW + 70 * SECOND), "mia", "too dear")
    assert book.recorded(str(row.id)).by_meter["input"].price == 9, "what a record may name is kept for ever"
    assert list(prices_from(rows, NOW)) == [price(5)]


@pytest.mark.parametrize("after", [71, 200])
def test_an_announcement_is_revoked_in_time_or_not_at_all(engine_with_model: Engine, after: int) -> None:
    with writing(engine_with_model) as connection:
        row = set_price(connection, price(9, start=NOW + 100 * SECOND), who="ada", now=NOW)
    with writing(engine_with_model) as connection, pytest.raises(PuyunError, match="is in force from"):
        revoke_price(connection, row.id, who="mia", now=Instant(NOW + after * SECOND))
    with writing(engine_with_model) as connection, pytest.raises(PuyunError, match="No price has the id 99"):
        revoke_price(connection, 99, who="mia", now=NOW)
