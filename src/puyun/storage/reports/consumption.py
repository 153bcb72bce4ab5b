"""What was used, by organization and offer: what a change of prices is held against."""

from sqlalchemy import Connection, func, select

from puyun.kit.clock import HOUR, Instant
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.proposal import Cell
from puyun.storage import schema
from puyun.storage.ledger.codes import TIER_NAME

_ROLLUP = schema.rollup_hour


def consumption(connection: Connection, start: Instant, end: Instant) -> list[Cell]:
    """Every organization's usage of every offer in the hours from that of `start` up to, without, that of `end`."""
    model = schema.model
    sums = [func.sum(_ROLLUP.c[name]).label(name) for name in (*BUCKETS, "charge")]
    query = (
        select(_ROLLUP.c.org, model.c.name, _ROLLUP.c.tier, *sums)
        .join(model, model.c.id == _ROLLUP.c.model)
        .where(_ROLLUP.c.hour >= start // HOUR, _ROLLUP.c.hour < end // HOUR)
        .group_by(_ROLLUP.c.org, model.c.name, _ROLLUP.c.tier)
        .order_by(_ROLLUP.c.org, model.c.name, _ROLLUP.c.tier)
    )
    return [
        Cell(
            row["org"],
            row["name"],
            TIER_NAME[row["tier"]],
            Usage(**{bucket: int(row[bucket]) for bucket in BUCKETS}),
            int(row["charge"]),
        )
        for row in connection.execute(query).mappings()
    ]
