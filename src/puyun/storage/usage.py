"""Usage by model, key, tier, day …: sums of hourly rollups, so that the cost of a page does not grow with the calls."""

from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from typing import cast

import msgspec
from sqlalchemy import ColumnElement, Connection, Integer, Row, Select, case, func, literal_column, select

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, HOUR, Instant, format_instant
from puyun.kit.ids import format_id
from puyun.metering.usage import BUCKETS, NO_USAGE, Usage
from puyun.storage import schema
from puyun.storage.ledger.codes import TIER_CODE, TIER_NAME

_ROLLUP = schema.rollup_hour
_HOURS_A_DAY = DAY // HOUR


class Grouping(StrEnum):
    """What the rows of a usage table stand for. Hours are UTC; days too, unless shifts say otherwise."""

    MODEL = "model"
    KEY = "key"
    TIER = "tier"
    DAY = "day"
    HOUR = "hour"
    MEMBER = "member"


class UsageRow(msgspec.Struct, frozen=True):
    """Calls and tokens under one label. `failures` are those of the calls that were not completed by a fault;
    `charge` is in nano-units."""

    label: str
    calls: int
    failures: int
    usage: Usage
    charge: int


class Only(msgspec.Struct, frozen=True, kw_only=True):
    """Which usage. None: any. `model` is a name, `key` and `member` are numbers; member 0: keys that are nobody's."""

    model: str | None = None
    key: int | None = None
    tier: Tier | None = None
    member: int | None = None


class Shift(msgspec.Struct, frozen=True):
    """From this hour on (counted since 1970, UTC) clocks are so many hours ahead of UTC."""

    hour: int
    ahead: int


class Stacked(msgspec.Struct, frozen=True):
    """What one model cost in one day or hour. `at`: the number of the hour, or of the day as its own clocks have it."""

    at: int
    model: str
    charge: int


ANY = Only()
DEAREST_MAX = 5
"""Models that a chart tells apart; what the others cost stands under the empty name."""


def usage_by(
    connection: Connection,
    org: int,
    by: Grouping,
    start: Instant,
    end: Instant,
    *,
    only: Only = ANY,
    shifts: Sequence[Shift] = (),
) -> list[UsageRow]:
    """Rows of the hours from that of `start` up to, without, `end` rounded up; time ascending, others dearest first."""
    label = _day(shifts) if by is Grouping.DAY else _LABELS[by]
    query = _sums(org, start, end).where(*_fits(connection, org, only)).add_columns(label.label("label"))
    query = query.group_by(label)
    if by is Grouping.MEMBER:
        query = query.join(schema.api_key, schema.api_key.c.id == _ROLLUP.c.key)
    rows = [(cast("int | None", row.label), row) for row in connection.execute(query)]
    names = _names(connection, by, [number for number, _ in rows])
    found = [_row(names[number], row) for number, row in rows]
    if by in {Grouping.DAY, Grouping.HOUR}:
        return sorted(found, key=lambda row: row.label)
    return sorted(found, key=lambda row: (-row.charge, row.label))


def usage_totals(connection: Connection, org: int, start: Instant, end: Instant, *, only: Only = ANY) -> UsageRow:
    """The same hours in one row labelled `total`."""
    row = connection.execute(_sums(org, start, end).where(*_fits(connection, org, only))).one()
    return UsageRow("total", 0, 0, NO_USAGE, 0) if row.calls is None else _row("total", row)


def cost_by_model(
    connection: Connection,
    org: int,
    over: Grouping,
    start: Instant,
    end: Instant,
    *,
    only: Only = ANY,
    shifts: Sequence[Shift] = (),
) -> list[Stacked]:
    """What the DEAREST_MAX dearest models of these hours cost by day or hour, and the others together."""
    at = _ROLLUP.c.hour if over is Grouping.HOUR else _day(shifts)
    place = [*_hours(org, start, end), *_fits(connection, org, only)]
    charge = func.sum(_ROLLUP.c.charge)
    ranked = select(_ROLLUP.c.model).where(*place).group_by(_ROLLUP.c.model).order_by(charge.desc(), _ROLLUP.c.model)
    dearest = list(connection.execute(ranked.limit(DEAREST_MAX)).scalars())
    shown = case((_ROLLUP.c.model.in_([_inline(number) for number in dearest]), _ROLLUP.c.model), else_=_inline(0))
    query = select(at.label("at"), shown.label("shown"), charge.label("charge")).where(*place).group_by(at, shown)
    rows = connection.execute(query.order_by(at)).all()
    names = {0: "", **_names(connection, Grouping.MODEL, list(dearest))}
    return [Stacked(int(row.at), names[row.shown], int(row.charge)) for row in rows]


_LABELS: dict[Grouping, ColumnElement[int]] = {
    Grouping.MODEL: _ROLLUP.c.model,
    Grouping.KEY: _ROLLUP.c.key,
    Grouping.TIER: _ROLLUP.c.tier,
    Grouping.DAY: _ROLLUP.c.hour // _HOURS_A_DAY,
    Grouping.HOUR: _ROLLUP.c.hour,
    Grouping.MEMBER: schema.api_key.c.member,
}


def _inline(number: int) -> ColumnElement[int]:
    """In the statement's own text: PostgreSQL takes a parameter in GROUP BY for another than the one in SELECT."""
    return literal_column(str(int(number)), Integer)


def _day(shifts: Sequence[Shift]) -> ColumnElement[int]:
    hour = _ROLLUP.c.hour
    if not any(shift.ahead for shift in shifts):
        return _LABELS[Grouping.DAY]
    steps = [(hour < _inline(following.hour), _inline(shift.ahead)) for shift, following in pairwise(shifts)]
    last = _inline(shifts[-1].ahead)
    return (hour + (case(*steps, else_=last) if steps else last)) // _inline(_HOURS_A_DAY)


def _fits(connection: Connection, org: int, only: Only) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if only.model is not None:
        number = connection.execute(select(schema.model.c.id).where(schema.model.c.name == only.model)).scalar()
        conditions.append(_ROLLUP.c.model == (-1 if number is None else number))
    if only.key is not None:
        conditions.append(_ROLLUP.c.key == only.key)
    if only.tier is not None:
        conditions.append(_ROLLUP.c.tier == TIER_CODE[only.tier])
    if only.member is not None:
        key = schema.api_key
        owner = key.c.member == only.member if only.member else key.c.member.is_(None)
        conditions.append(_ROLLUP.c.key.in_(select(key.c.id).where(key.c.org == org, owner)))
    return conditions


def _hours(org: int, start: Instant, end: Instant) -> list[ColumnElement[bool]]:
    return [_ROLLUP.c.org == org, _ROLLUP.c.hour.between(start // HOUR, -(-end // HOUR) - 1)]


def _sums(org: int, start: Instant, end: Instant) -> Select[*tuple[object, ...]]:
    columns = [func.sum(_ROLLUP.c[name]).label(name) for name in ("calls", "failures", "charge", *BUCKETS)]
    return select(*columns).select_from(_ROLLUP).where(*_hours(org, start, end))


def _row(label: str, row: Row[*tuple[object, ...]]) -> UsageRow:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    usage = Usage(**{bucket: fields[bucket] for bucket in BUCKETS})
    return UsageRow(label, fields["calls"], fields["failures"], usage, fields["charge"])


def _names(connection: Connection, by: Grouping, numbers: list[int | None]) -> dict[int | None, str]:
    known = [number for number in numbers if number is not None]
    match by:
        case Grouping.MODEL:
            table = schema.model
            return dict(connection.execute(select(table.c.id, table.c.name).where(table.c.id.in_(known))).all())
        case Grouping.KEY:
            table = schema.api_key
            rows = connection.execute(select(table.c.id, table.c.name, table.c.prefix).where(table.c.id.in_(known)))
            return {row.id: f"{row.name or row.prefix} ({format_id('key', row.id)})" for row in rows}
        case Grouping.MEMBER:
            table = schema.user
            rows = connection.execute(select(table.c.id, table.c.email).where(table.c.id.in_(known)))
            return {None: "(no member)"} | {row.id: row.email for row in rows}
        case Grouping.TIER:
            return {number: TIER_NAME[number] for number in known}
        case Grouping.DAY:
            return {number: format_instant(Instant(number * DAY))[:10] for number in known}
        case Grouping.HOUR:
            return {number: format_instant(Instant(number * HOUR)) for number in known}
