"""Usage by model, key, tier, day …: sums of hourly rollups, so that the cost of a page does not grow with the calls."""

from enum import StrEnum
from typing import cast

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from puyun.kit.clock import DAY, HOUR, Instant, format_instant
from puyun.kit.ids import format_id
from puyun.metering.usage import BUCKETS, NO_USAGE, Usage
from puyun.storage import schema
from puyun.storage.ledger.codes import TIER_NAME

_ROLLUP = schema.rollup_hour
_HOURS_A_DAY = DAY // HOUR


class Grouping(StrEnum):
    """What the rows of a usage table stand for. Days and hours are UTC."""

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


def usage_by(connection: Connection, org: int, by: Grouping, start: Instant, end: Instant) -> list[UsageRow]:
    """Rows of the hours from that of `start` up to, without, `end` rounded up; time ascending, others dearest first."""
    label = _LABELS[by]
    query = _sums(org, start, end).add_columns(label.label("label")).group_by(label)
    if by is Grouping.MEMBER:
        query = query.join(schema.api_key, schema.api_key.c.id == _ROLLUP.c.key)
    rows = [(cast("int | None", row.label), row) for row in connection.execute(query)]
    names = _names(connection, by, [number for number, _ in rows])
    found = [_row(names[number], row) for number, row in rows]
    if by in {Grouping.DAY, Grouping.HOUR}:
        return sorted(found, key=lambda row: row.label)
    return sorted(found, key=lambda row: (-row.charge, row.label))


def usage_totals(connection: Connection, org: int, start: Instant, end: Instant) -> UsageRow:
    """The same hours in one row labelled `total`."""
    row = connection.execute(_sums(org, start, end)).one()
    return UsageRow("total", 0, 0, NO_USAGE, 0) if row.calls is None else _row("total", row)


_LABELS: dict[Grouping, ColumnElement[int]] = {
    Grouping.MODEL: _ROLLUP.c.model,
    Grouping.KEY: _ROLLUP.c.key,
    Grouping.TIER: _ROLLUP.c.tier,
    Grouping.DAY: _ROLLUP.c.hour // _HOURS_A_DAY,
    Grouping.HOUR: _ROLLUP.c.hour,
    Grouping.MEMBER: schema.api_key.c.member,
}


def _sums(org: int, start: Instant, end: Instant) -> Select[*tuple[object, ...]]:
    columns = [func.sum(_ROLLUP.c[name]).label(name) for name in ("calls", "failures", "charge", *BUCKETS)]
    hours = _ROLLUP.c.hour.between(start // HOUR, -(-end // HOUR) - 1)
    return select(*columns).select_from(_ROLLUP).where(_ROLLUP.c.org == org, hours)


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
