"""The catalogue in the database: read as a catalogue file would state it, changed by a diff, never emptied."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, delete, insert, select

from puyun.catalog.diff import Diff
from puyun.catalog.model import CatalogFile, Cost, Deployment, Dialect, Engine, Kind, Model, Price, Provider
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.pricing.costbook import CostRow
from puyun.pricing.pricebook import PriceRow
from puyun.storage import schema
from puyun.storage.engine import bump, upsert
from puyun.storage.prices import add_cost, add_price, announce_prices, load_cost_rows, load_price_rows


def load_catalog(connection: Connection, now: Instant) -> CatalogFile:
    """Everything there is, by name. Prices: those in force, without a start, then those announced, with theirs."""
    names = {row.id: row.name for row in connection.execute(select(schema.provider.c.id, schema.provider.c.name))}
    return CatalogFile(
        providers=_providers(connection),
        deployments=_deployments(connection, names),
        models=_models(connection),
        prices=tuple(prices_from(load_price_rows(connection), now)),
        costs=tuple(costs_from(load_cost_rows(connection), now)),
    )


def prices_from(rows: Iterable[PriceRow], now: Instant) -> list[Price]:
    """What a price book says of now and of what comes, cell by cell. A withdrawn price is absent unless announced."""
    cells: defaultdict[tuple[str, str, str], list[PriceRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.effective_from, row.id)):
        if row.revoked is None:
            cells[row.model, row.tier, row.meter].append(row)
    found: list[Price] = []
    for _, history in sorted(cells.items()):
        begun = [row for row in history if row.effective_from <= now]
        if begun and begun[-1].amount is not None:
            found.append(_price(begun[-1], None))
        found += [_price(row, row.effective_from) for row in history if row.effective_from > now]
    return found


def costs_from(rows: Iterable[CostRow], now: Instant) -> list[Cost]:
    """The same of the operator's costs."""
    cells: defaultdict[tuple[str, str], list[CostRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.effective_from, row.id)):
        cells[row.deployment, row.meter].append(row)
    found: list[Cost] = []
    for (deployment, meter), history in sorted(cells.items()):
        begun = [row for row in history if row.effective_from <= now]
        if begun and begun[-1].amount is not None:
            found.append(Cost(deployment=deployment, meter=meter, amount=begun[-1].amount))
        found += [
            Cost(deployment=deployment, meter=meter, amount=row.amount, effective_from=row.effective_from)
            for row in history
            if row.effective_from > now
        ]
    return found


def apply_diff(connection: Connection, diff: Diff, *, who: str, reason: str = "", now: Instant) -> int:
    """Write a diff; returns the catalogue's revision. An empty diff changes nothing, the revision included.

    Raises PuyunError `unknown_name` (404) when an entry names another that is neither there nor in the diff; the
    caller's transaction is then to be rolled back.
    """
    if diff.empty:
        table = schema.revision
        return connection.execute(select(table.c.value).where(table.c.name == "catalog")).scalar_one()
    for provider in diff.providers:
        _upsert(connection, schema.provider, msgspec.structs.asdict(provider))
    providers = _numbers(connection, schema.provider)
    for deployment in diff.deployments:
        provider = _number(providers, "provider", deployment.provider)
        _upsert(connection, schema.deployment, _deployment_row(deployment) | {"provider": provider})
    deployments = _numbers(connection, schema.deployment)
    for model in diff.models:
        _write_model(connection, model, deployments)
    prices = [add_price(connection, price, who=who, reason=reason, now=now) for price in diff.prices]
    announce_prices(connection, prices, now)
    for cost in diff.costs:
        add_cost(connection, cost, who=who, reason=reason, now=now)
    return bump(connection, "catalog")


def _deployment_row(deployment: Deployment) -> dict[str, Any]:
    values = msgspec.structs.asdict(deployment)
    return values | {"own": int(deployment.own), "lend": int(deployment.lend)}


def _write_model(connection: Connection, model: Model, deployments: Mapping[str, int]) -> None:
    values = msgspec.structs.asdict(model)
    places: tuple[str, ...] = values.pop("deployments")
    number = _upsert(connection, schema.model, values)
    link = schema.model_deployment
    connection.execute(delete(link).where(link.c.model == number))
    for position, name in enumerate(places):
        deployment = _number(deployments, "deployment", name)
        connection.execute(insert(link).values(model=number, position=position, deployment=deployment))


def _upsert(connection: Connection, table: Table, values: Mapping[str, object]) -> int:
    """Insert or overwrite by name; the row keeps its number, which records refer to."""
    statement = (
        upsert(connection, table).values(values).on_conflict_do_update(index_elements=["name"], set_=dict(values))
    )
    return connection.execute(statement.returning(table.c.id)).scalar_one()


def _numbers(connection: Connection, table: Table) -> dict[str, int]:
    return {row.name: row.id for row in connection.execute(select(table.c.id, table.c.name))}


def _number(numbers: Mapping[str, int], noun: str, name: str) -> int:
    if name not in numbers:
        raise PuyunError("unknown_name", 404, f"There is no {noun} {name!r}, neither in the file nor in the catalogue.")
    return numbers[name]


def _price(row: PriceRow, effective_from: Instant | None) -> Price:
    return Price(model=row.model, tier=row.tier, meter=row.meter, amount=row.amount, effective_from=effective_from)


def _providers(connection: Connection) -> tuple[Provider, ...]:
    query = select(schema.provider).order_by(schema.provider.c.name)
    return tuple(
        Provider(
            name=row.name,
            dialect=Dialect(row.dialect),
            base_url=row.base_url,
            api_key=row.api_key,
            engine=Engine(row.engine) if row.engine else None,
        )
        for row in connection.execute(query)
    )


def _deployments(connection: Connection, providers: Mapping[int, str]) -> tuple[Deployment, ...]:
    query = select(schema.deployment).order_by(schema.deployment.c.name)
    return tuple(
        Deployment(
            name=row.name,
            provider=providers[row.provider],
            upstream_model=row.upstream_model,
            pool=row.pool,
            seats=row.seats,
            rpm=row.rpm,
            itpm=row.itpm,
            otpm=row.otpm,
            own=bool(row.own),
            lend=bool(row.lend),
        )
        for row in connection.execute(query)
    )


def _models(connection: Connection) -> tuple[Model, ...]:
    link, deployment = schema.model_deployment, schema.deployment
    query = select(link.c.model, deployment.c.name).join(deployment, deployment.c.id == link.c.deployment)
    places: defaultdict[int, list[str]] = defaultdict(list)
    for row in connection.execute(query.order_by(link.c.model, link.c.position)):
        places[row.model].append(row.name)
    return tuple(
        Model(
            name=row.name,
            kind=Kind(row.kind),
            context_length=row.context_length,
            max_output=row.max_output,
            deployments=tuple(places[row.id]),
            vendor=row.vendor,
            label=row.label,
            description=row.description,
            created=row.created,
        )
        for row in connection.execute(select(schema.model).order_by(schema.model.c.name))
    )
