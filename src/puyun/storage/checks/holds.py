"""Open holds and budgets: A10, A11, A15."""

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import and_, exists, func, select

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
    held: defaultdict[tuple[int, int], int] = defaultdict(int)
    recorded = exists().where(_RECORD.c.org == _HOLD.c.org, _RECORD.c.call == _HOLD.c.call)
    owned = exists().where(schema.owner.c.id == _HOLD.c.owner)
    query = select(_HOLD, recorded.label("recorded"), owned.label("owned")).where(span.within(_HOLD))
    for row in span.rows(query):
        org, where = row["org"], request_id(row["org"], row["call"])
        held[org, row["key"]] += row["amount"]
        if row["recorded"]:
            yield span.finding("A10", org, where, "it has a record and an open hold")
        if not row["owned"]:
            yield span.finding("A11", org, where, f"its hold belongs to process {row['owner']}, which is none of ours")
        started = call_started(row["call"])
        if span.now - started > AGE:
            yield span.finding("A11", org, where, f"its hold is open since {format_instant(started)}")
    yield from _budgets(span, held)


def _budgets(span: Span, held: dict[tuple[int, int], int]) -> Iterator[Finding]:
    """A budget's spent and held are the charges and the open holds of its key. After the rollups: what they are off by
    is known, so they say what the records charged.
    """
    budget, key, rollup = schema.budget, schema.api_key, schema.rollup_hour
    within = key.c.org.between(span.first, span.last)
    charged = (
        select(rollup.c.org, rollup.c.key, func.sum(rollup.c.charge).label("charge"))
        .where(span.within(rollup))
        .group_by(rollup.c.org, rollup.c.key)
        .subquery()
    )
    mine = and_(charged.c.org == key.c.org, charged.c.key == key.c.id)
    query = (
        select(
            key.c.org, budget.c.key, budget.c.spent, budget.c.held, func.coalesce(charged.c.charge, 0).label("charge")
        )
        .select_from(budget.join(key, key.c.id == budget.c.key).outerjoin(charged, mine))
        .where(within)
    )
    for row in span.rows(query):
        place = (row["org"], row["key"])
        spent = int(row["charge"]) - span.off_by.get(place, 0)
        for what, stored, derived in (("spent", row["spent"], spent), ("held", row["held"], held.get(place, 0))):
            if stored != derived:
                difference = f"is {stored}, derived {derived}, difference {stored - derived}"
                yield span.finding("A15", row["org"], "wallet", f"{what} of key {row['key']} {difference}")
