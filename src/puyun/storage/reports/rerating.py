"""Rating a recorded call again, from its tokens and the price rows it names."""

from sqlalchemy import Connection, select

from puyun.kit.ids import call_started
from puyun.metering.record import Flag
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.pricebook import PriceBook
from puyun.pricing.rerating import Charged, Rerated, rerate as rate_again
from puyun.storage import schema
from puyun.storage.ledger.codes import STATUS_NAME, TIER_NAME
from puyun.storage.prices import load_price_rows

_RECORD = schema.usage_record


def rerate(connection: Connection, org: int, call: int) -> Rerated | None:
    """None when there is no record of this call."""
    query = select(_RECORD, schema.model.c.name).outerjoin(schema.model, schema.model.c.id == _RECORD.c.model)
    row = connection.execute(query.where(_RECORD.c.org == org, _RECORD.c.call == call)).mappings().first()
    if row is None:
        return None
    record = Charged(
        model=row["name"] or "",
        tier=TIER_NAME[row["tier"]],
        admitted=call_started(call),
        status=STATUS_NAME[row["status"]],
        flags=Flag(row["flags"]),
        usage=Usage(**{bucket: row[bucket] for bucket in BUCKETS}),
        price_ids=row["price_ids"],
        exact=row["exact"],
        charge=row["charge"],
    )
    return rate_again(record, PriceBook(load_price_rows(connection)))
