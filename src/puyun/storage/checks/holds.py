"""Open holds: A10, A11."""

from collections.abc import Iterator

from sqlalchemy import exists, select

from puyun.kit.clock import DAY, format_instant
from puyun.kit.ids import call_started, request_id
from puyun.ledger.audit import Finding
from puyun.storage import schema
from puyun.storage.checks.span import Span

AGE = DAY
"""No call runs longer; its hold would be one that nobody ends."""

_HOLD = schema.hold
_RECORD = schema.usage_record


def check_holds(span: Span) -> Iterator[Finding]:
    recorded = exists().where(_RECORD.c.org == _HOLD.c.org, _RECORD.c.call == _HOLD.c.call)
    owned = exists().where(schema.owner.c.id == _HOLD.c.owner)
    query = select(_HOLD, recorded.label("recorded"), owned.label("owned")).where(span.within(_HOLD))
    for row in span.rows(query):
        org, where = row["org"], request_id(row["org"], row["call"])
        if row["recorded"]:
            yield span.finding("A10", org, where, "it has a record and an open hold")
        if not row["owned"]:
            yield span.finding("A11", org, where, f"its hold belongs to process {row['owner']}, which is none of ours")
        started = call_started(row["call"])
        if span.now - started > AGE:
            yield span.finding("A11", org, where, f"its hold is open since {format_instant(started)}")
