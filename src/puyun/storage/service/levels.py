"""Service levels as they are read: an organization's, everybody's, and how available each day was."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Table, func, select

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, HOUR, Instant
from puyun.service.level import Level, share
from puyun.service.tally import COUNTS
from puyun.service.verdict import BAD, INTERVAL
from puyun.storage import schema
from puyun.storage.ledger.codes import TIER_CODE, TIER_NAME
from puyun.storage.service import tables


class ModelLevel(msgspec.Struct, frozen=True):
    """What a model's calls at one tier came to."""

    model: str
    tier: Tier
    level: Level


class Hour(msgspec.Struct, frozen=True):
    """What a model's calls of everybody came to in one hour (UTC) at one tier. `hour` is numbered since 1970."""

    hour: int
    tier: Tier
    level: Level


class OwnHour(msgspec.Struct, frozen=True):
    """What an organization's calls came to in one hour (UTC). `hour` is numbered since 1970."""

    hour: int
    level: Level


class Day(msgspec.Struct, frozen=True):
    """One day (UTC) of a model at a tier, of everybody's valid calls. `day` is numbered since 1970."""

    model: str
    tier: Tier
    day: int
    calls: int
    good: int

    @property
    def availability(self) -> int | None:
        return share(self.good, self.calls)


def levels_of(connection: Connection, org: int, start: Instant, end: Instant) -> list[ModelLevel]:
    """Of one organization, from the interval of `start` up to, without, that of `end`; by model, then tier."""
    return _levels(connection, tables.tally, start, end, tables.tally.c.org == org)


def hours_of(
    connection: Connection, org: int, start: Instant, end: Instant, *, model: str = "", tier: Tier | None = None
) -> list[OwnHour]:
    """Of one organization, the hours that had calls, by hour; `model`, `tier`: of these alone."""
    table, size = tables.tally, HOUR // INTERVAL
    hour = (table.c.interval // size).label("hour")
    sums = [func.sum(table.c[count]) for count in COUNTS]
    query = select(hour, *sums, func.aggregate_strings(table.c.seen, "")).where(
        table.c.org == org, table.c.interval.between(start // INTERVAL, -(-end // INTERVAL) - 1)
    )
    if model:
        query = query.where(
            table.c.model == select(schema.model.c.id).where(schema.model.c.name == model).scalar_subquery()
        )
    if tier is not None:
        query = query.where(table.c.tier == TIER_CODE[tier])
    rows = connection.execute(query.group_by(hour).order_by(hour))
    return [OwnHour(row[0], Level(row[1:-1], row[-1])) for row in rows]


def levels_of_all(connection: Connection, start: Instant, end: Instant) -> list[ModelLevel]:
    """Of everybody, in the same way."""
    return _levels(connection, tables.tally_total, start, end)


def days_of_all(connection: Connection, first: Instant, last: Instant) -> list[Day]:
    """Of everybody: the days from that of `first` to that of `last` which had calls."""
    table = tables.tally_day
    bad = sum((table.c[cause] for cause in BAD[1:]), start=table.c[BAD[0]])
    query = (
        select(schema.model.c.name, table.c.tier, table.c.day, table.c.calls, (table.c.calls - bad).label("good"))
        .join(schema.model, schema.model.c.id == table.c.model)
        .where(table.c.day.between(first // DAY, last // DAY))
    )
    rows = connection.execute(query.order_by(schema.model.c.name, table.c.tier, table.c.day))
    return [Day(name, TIER_NAME[tier], day, calls, good) for name, tier, day, calls, good in rows]


def hours_of_model(connection: Connection, name: str, first: int, last: int) -> list[Hour]:
    """Of everybody, the hours from `first` to `last` that had calls, by hour, then tier; none of an unknown model.

    The intervals are named one by one, so that each is found by the key: between them lie those of all other models.
    """
    table, size = tables.tally_total, HOUR // INTERVAL
    hour = (table.c.interval // size).label("hour")
    sums = [func.sum(table.c[count]) for count in COUNTS]
    wanted = select(schema.model.c.id).where(schema.model.c.name == name).scalar_subquery()
    query = (
        select(hour, table.c.tier, *sums, func.aggregate_strings(table.c.seen, ""))
        .where(table.c.interval.in_(range(first * size, (last + 1) * size)), table.c.model == wanted)
        .group_by(hour, table.c.tier)
        .order_by(hour, table.c.tier)
    )
    return [_hour(row) for row in connection.execute(query)]


def _hour(row: Row[*tuple[Any, ...]]) -> Hour:
    return Hour(row[0], TIER_NAME[row[1]], Level(row[2:-1], row[-1]))


def _levels(
    connection: Connection, table: Table, start: Instant, end: Instant, *conditions: ColumnElement[bool]
) -> list[ModelLevel]:
    sums = [func.sum(table.c[name]) for name in COUNTS]
    query = (
        select(table.c.model, table.c.tier, *sums, func.aggregate_strings(table.c.seen, ""))
        .where(table.c.interval.between(start // INTERVAL, -(-end // INTERVAL) - 1), *conditions)
        .group_by(table.c.model, table.c.tier)
    )
    rows = connection.execute(query).all()
    names = _names(connection, rows)
    return sorted((_level(names, row) for row in rows), key=lambda each: (each.model, TIER_CODE[each.tier]))


def _level(names: dict[int, str], row: Row[*tuple[Any, ...]]) -> ModelLevel:
    return ModelLevel(names[row[0]], TIER_NAME[row[1]], Level(row[2:-1], row[-1]))


def _names(connection: Connection, rows: Sequence[Row[*tuple[Any, ...]]]) -> dict[int, str]:
    table = schema.model
    known = {row[0] for row in rows}
    return {
        row.id: row.name for row in connection.execute(select(table.c.id, table.c.name).where(table.c.id.in_(known)))
    }
