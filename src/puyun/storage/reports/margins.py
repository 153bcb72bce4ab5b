"""Margins out of the usage records and the dated costs, worked out when they are asked for."""

from enum import StrEnum
from itertools import pairwise
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from puyun.kit.clock import DAY, Instant, format_instant
from puyun.kit.ids import EPOCH_MS, first_call_at, format_id
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.costbook import CostBook
from puyun.pricing.margin import Margin, Sale
from puyun.storage import schema
from puyun.storage.ledger.codes import TIER_NAME
from puyun.storage.prices import load_cost_rows

_RECORD = schema.usage_record
_MODEL = schema.model
_DEPLOYMENT = schema.deployment
_CALLS_A_MS = first_call_at(Instant((EPOCH_MS + 1) * 1000))


class Facet(StrEnum):
    """What the rows of a margin table stand for. Days are UTC."""

    MODEL = "model"
    TIER = "tier"
    DAY = "day"
    DEPLOYMENT = "deployment"
    ORG = "org"


def day_of_call() -> ColumnElement[int]:
    """Whole days since 1970 of the moment at which a record's call began."""
    return (_RECORD.c.call // _CALLS_A_MS + EPOCH_MS) // (DAY // 1000)


def begun_within(start: Instant, end: Instant) -> tuple[ColumnElement[bool], ...]:
    """Records of calls that began in a time, read by the primary key of each organization."""
    everybody = _RECORD.c.org.in_(select(schema.organization.c.id))
    return everybody, _RECORD.c.call >= first_call_at(start), _RECORD.c.call < first_call_at(end)


def margins(connection: Connection, by: Facet, start: Instant, end: Instant) -> list[Margin]:
    """Rows of the calls that began in the time; days ascending, others by their charge, the largest first."""
    book = CostBook(load_cost_rows(connection))
    edges = [start, *book.changes(start, end), end]
    found: dict[str, Margin] = {}
    for since, until in pairwise(edges):
        for sale in _sales(connection, by, since, until):
            costs = book.costs(sale.deployment, since)
            found[sale.label] = found.get(sale.label, Margin(sale.label)).plus(sale, costs)
    if by is Facet.DAY:
        return sorted(found.values(), key=lambda each: each.label)
    return sorted(found.values(), key=lambda each: (-each.charge, each.label))


_LABELS: dict[Facet, ColumnElement[Any]] = {
    Facet.MODEL: _MODEL.c.name,
    Facet.TIER: _RECORD.c.tier,
    Facet.DAY: day_of_call(),
    Facet.DEPLOYMENT: _DEPLOYMENT.c.name,
    Facet.ORG: _RECORD.c.org,
}


def _sales(connection: Connection, by: Facet, start: Instant, end: Instant) -> list[Sale]:
    label = _LABELS[by].label("label")
    sums = [func.sum(_RECORD.c[name]).label(name) for name in (*BUCKETS, "charge", "from_bonus")]
    query = (
        select(label, _DEPLOYMENT.c.name.label("place"), func.count().label("calls"), *sums)
        .select_from(_RECORD)
        .outerjoin(_MODEL, _MODEL.c.id == _RECORD.c.model)
        .outerjoin(_DEPLOYMENT, _DEPLOYMENT.c.id == _RECORD.c.deployment)
        .where(*begun_within(start, end))
        .group_by(label, _DEPLOYMENT.c.name)
    )
    return [
        Sale(
            _shown(by, row["label"]),
            row["place"] or "",
            int(row["calls"]),
            Usage(**{bucket: int(row[bucket]) for bucket in BUCKETS}),
            int(row["charge"]),
            int(row["from_bonus"]),
        )
        for row in connection.execute(query).mappings()
    ]


def _shown(by: Facet, label: Any) -> str:
    match by:
        case Facet.TIER:
            return TIER_NAME[label]
        case Facet.DAY:
            return format_instant(Instant(label * DAY))[:10]
        case Facet.ORG:
            return format_id("org", label)
        case _:
            return label or "(none)"
