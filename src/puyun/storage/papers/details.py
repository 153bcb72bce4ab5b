"""An organization's billing details: who it is on the invoices to come. Those that were issued keep what they say."""

import msgspec
from sqlalchemy import Connection, select

from puyun.kit.clock import Instant
from puyun.pricing.papers.parties import Buyer
from puyun.storage.engine import upsert
from puyun.storage.papers.tables import billing_details

_DETAILS = billing_details


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """As they are now, and who wrote them when."""

    buyer: Buyer
    changed_at: Instant
    changed_by: str


def load_details(connection: Connection, org: int) -> Details | None:
    row = connection.execute(select(_DETAILS).where(_DETAILS.c.org == org)).first()
    if row is None:
        return None
    buyer = Buyer(name=row.name, address=row.address, tax_id=row.tax_id, email=row.email)
    return Details(buyer=buyer, changed_at=row.changed_at, changed_by=row.changed_by)


def save_details(connection: Connection, org: int, buyer: Buyer, *, by: str, now: Instant) -> Details:
    values = msgspec.structs.asdict(buyer) | {"changed_at": now, "changed_by": by}
    insert = upsert(connection, _DETAILS).values(org=org, **values)
    connection.execute(insert.on_conflict_do_update(index_elements=["org"], set_=values))
    return Details(buyer=buyer, changed_at=now, changed_by=by)
