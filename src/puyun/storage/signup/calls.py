"""Whether an organization has called yet, and how its first call went: each a look-up by key."""

import msgspec
from sqlalchemy import Connection, exists, select

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.kit.ids import call_started, request_id
from puyun.ledger.hold import Status
from puyun.storage import schema
from puyun.storage.ledger.codes import STATUS_CODE, STATUS_NAME, TIER_NAME

LOOKED_AT = 50
"""Of so many calls at the beginning, the first that was completed is shown; without one, the last of them."""

_RECORD = schema.usage_record


class FirstCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that has ended. `charge` in nano-units; `error` where it did not end well."""

    id: str
    at: Instant
    model: str
    tier: Tier
    status: Status
    charge: int
    tokens: int
    error: str

    @property
    def completed(self) -> bool:
        return self.status is Status.COMPLETED


def has_called(connection: Connection, org: int) -> bool:
    """Whether a call of the organization has ended and was added up, however it went."""
    table = schema.rollup_hour
    return bool(connection.execute(select(exists().where(table.c.org == org))).scalar())


def first_call(connection: Connection, org: int) -> FirstCall | None:
    """The first completed one of the first LOOKED_AT calls, else the last of these; None before there is any."""
    model = schema.model
    begin = select(_RECORD).where(_RECORD.c.org == org).order_by(_RECORD.c.call).limit(LOOKED_AT).subquery()
    completed = begin.c.status == STATUS_CODE[Status.COMPLETED]
    query = select(begin, model.c.name).select_from(begin.outerjoin(model, model.c.id == begin.c.model))
    row = connection.execute(query.where(completed).order_by(begin.c.call).limit(1)).first()
    if row is None:
        row = connection.execute(query.order_by(begin.c.call.desc()).limit(1)).first()
    if row is None:
        return None
    return FirstCall(
        id=request_id(row.org, row.call),
        at=call_started(row.call),
        model=row.name or "",
        tier=TIER_NAME[row.tier],
        status=STATUS_NAME[row.status],
        charge=row.charge,
        tokens=row.input + row.cached_input + row.output,
        error=row.error or "",
    )
