import msgspec
import pytest
from sqlalchemy import Connection, Engine, select

from puyun.catalog import model
from puyun.catalog.diff import diff
from puyun.catalog.model import CatalogFile, Cost, Deployment, Dialect, Kind, Model, Price, Provider, Tier
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.storage import schema
from puyun.storage.catalog import apply_diff, load_catalog
from puyun.storage.engine import reading, writing
from puyun.storage.prices import load_cost_rows, load_price_rows

NOW = Instant(1_000_000)


def price(amount: int | None, start: int | None = None) -> Price:
    return Price(model="m", tier=Tier.FLEX, meter="input", amount=amount, effective_from=start)


def file(*prices: Price, seats: int = 8, deployments: tuple[str, ...] = ("b@p", "a@p")) -> CatalogFile:
    return CatalogFile(
        providers=(
            Provider(
                name="p", dialect=Dialect.OPENAI, base_url="https://p/v1", engine=model.Engine.SGLANG, api_key="env:P"
            ),
        ),
        deployments=tuple(
            Deployment(name=name, provider="p", upstream_model="m", pool="shared", seats=seats, rpm=60)
            for name in ("a@p", "b@p")
        ),
        models=(
            Model(name="m", kind=Kind.CHAT, context_length=10, max_output=5, deployments=deployments, label="demo"),
        ),
        prices=prices,
    )


def apply(connection: Connection, wanted: CatalogFile, now: int = NOW) -> int:
    now = Instant(now)
    return apply_diff(connection, diff(load_catalog(connection, now), wanted, now), who="ada", now=now)


def test_what_was_applied_is_what_is_read(engine: Engine) -> None:
    wanted = file(price(5), price(7, NOW + 10))
    with writing(engine) as connection:
        assert apply(connection, wanted) == 1
    with reading(engine) as connection:
        assert load_catalog(connection, NOW) == wanted
        assert load_catalog(connection, Instant(NOW + 10)) == file(price(7))


def test_applying_again_changes_nothing_and_does_not_count(engine: Engine) -> None:
    wanted = file(price(5), price(7, NOW + 10))
    with writing(engine) as connection:
        apply(connection, wanted)
        rows = load_price_rows(connection)
        assert apply(connection, wanted, NOW + 5) == 1
        assert load_price_rows(connection) == rows


def test_entries_keep_their_numbers_when_they_change(engine: Engine) -> None:
    numbers = select(schema.deployment.c.name, schema.deployment.c.id, schema.deployment.c.seats)
    with writing(engine) as connection:
        apply(connection, file(price(5)))
        before = {row.name: row.id for row in connection.execute(numbers)}
        assert apply(connection, file(price(5), seats=99, deployments=("a@p",))) == 2
        after = connection.execute(numbers).all()
        assert {row.name: row.id for row in after} == before
        assert {row.seats for row in after} == {99}
        assert load_catalog(connection, NOW).models[0].deployments == ("a@p",)


def test_a_price_changes_by_a_new_row_and_a_withdrawn_one_is_gone(engine: Engine) -> None:
    with writing(engine) as connection:
        apply(connection, file(price(5)))
        apply(connection, file(price(6)), NOW + 1)
        apply(connection, file(price(None)), NOW + 2)
        assert [row.amount for row in load_price_rows(connection)] == [5, 6, None]
        assert load_catalog(connection, Instant(NOW + 2)).prices == ()
        assert load_catalog(connection, Instant(NOW + 1)).prices == (price(6), price(None, NOW + 2))


def test_a_broken_reference_rolls_everything_back(engine: Engine) -> None:
    with pytest.raises(PuyunError, match="no deployment 'zz@p'"), writing(engine) as connection:
        apply(connection, file(price(5), deployments=("zz@p",)))
    with reading(engine) as connection:
        assert load_catalog(connection, NOW) == CatalogFile()


def test_costs_are_dated_rows_like_prices(engine: Engine) -> None:
    def priced(*costs: Cost) -> CatalogFile:
        return msgspec.structs.replace(file(price(5)), costs=costs)

    def cost(amount: int | None, start: int | None = None) -> Cost:
        return Cost(deployment="a@p", meter="input", amount=amount, effective_from=start)

    with writing(engine) as connection:
        apply(connection, priced(cost(3), cost(2, NOW + 50)))
        assert load_catalog(connection, NOW).costs == (cost(3), cost(2, NOW + 50))
        before = apply(connection, priced(cost(3), cost(2, NOW + 50)))
        assert apply(connection, priced(cost(4)), NOW + 10) == before + 1
        later = Instant(NOW + 50)
        assert load_catalog(connection, later).costs == (cost(2),)
        apply(connection, priced(cost(None)), later)
        assert load_catalog(connection, later).costs == ()
        rows = load_cost_rows(connection)
    assert [(row.amount, row.effective_from, row.created_by) for row in rows] == [
        (3, NOW, "ada"),
        (2, NOW + 50, "ada"),
        (4, NOW + 10, "ada"),
        (None, NOW + 50, "ada"),
    ]
