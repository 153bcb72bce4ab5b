"""The log of an organization's calls, newest first, a page at a time: a walk along the primary key of the records.

A filter that few calls fit would make such a walk as long as the history, so it ends after LOOKED_MAX calls; the page
then says how far it looked, and the next one goes on from there.
"""

from collections.abc import Iterable

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, select

from puyun.catalog.model import Tier
from puyun.kit.clock import HOUR, Instant
from puyun.kit.ids import CALL_MAX, call_started, first_call_at, request_id
from puyun.ledger.hold import Status
from puyun.metering.usage import BUCKETS, Usage
from puyun.storage import schema
from puyun.storage.ledger.codes import STATUS_CODE, STATUS_NAME, TIER_CODE, TIER_NAME
from puyun.storage.money.tables import refund

PAGE = 50
"""Calls on a page."""

LOOKED_MAX = 10_000
"""Calls that one page of a filtered log looks at."""

MODELS_MAX = 200
"""Models to choose from."""

_RECORD = schema.usage_record
_COLUMNS = tuple(
    _RECORD.c[name] for name in ("org", "call", "key", "tier", "status", "charge", "queue_ms", "total_ms", *BUCKETS)
)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls. None: any. Those that began from `start` up to, without, `end`; before the call `before`."""

    model: str | None = None
    key: int | None = None
    tier: Tier | None = None
    status: Status | None = None
    start: Instant = Instant(0)
    end: Instant | None = None
    before: int = CALL_MAX

    @property
    def narrow(self) -> bool:
        """Whether calls may have to be passed over."""
        return any(each is not None for each in (self.model, self.key, self.tier, self.status))


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """One call. `charge` and `refunded` in nano-units; a call that ended with its server is `failed`, as on a receipt."""

    id: str
    created: Instant
    model: str
    tier: Tier
    key: int
    usage: Usage
    charge: int
    refunded: int
    status: Status
    queue_ms: int
    total_ms: int


class CallPage(msgspec.Struct, frozen=True):
    """`before`: where the next page begins, None at the end. `looked_to`: how far the walk came, if it ended early."""

    rows: list[CallRow]
    before: int | None
    looked_to: Instant | None


def call_page(connection: Connection, org: int, wanted: Wanted) -> CallPage:
    """At most PAGE calls."""
    last = CALL_MAX if wanted.end is None else first_call_at(wanted.end)
    place = [_RECORD.c.org == org, _RECORD.c.call < min(last, wanted.before)]
    if wanted.start:
        place.append(_RECORD.c.call >= first_call_at(wanted.start))
    floor = _floor(connection, place) if wanted.narrow else None
    if floor is not None:
        place.append(_RECORD.c.call >= floor)
    query = (
        select(*_COLUMNS, schema.model.c.name.label("model_name"))
        .select_from(_RECORD.outerjoin(schema.model, schema.model.c.id == _RECORD.c.model))
        .where(*place, *_fits(connection, wanted))
        .order_by(_RECORD.c.call.desc())
        .limit(PAGE + 1)
    )
    found = connection.execute(query).all()
    shown = found[:PAGE]
    given_back = _refunds(connection, org, [row.call for row in shown])
    rows = [_row(row, given_back.get(row.call, 0)) for row in shown]
    if len(found) > PAGE:
        return CallPage(rows, shown[-1].call, None)
    return CallPage(rows, floor, None if floor is None else call_started(floor))


def has_calls(connection: Connection, org: int) -> bool:
    """Whether there was ever one."""
    return connection.execute(select(_RECORD.c.call).where(_RECORD.c.org == org).limit(1)).first() is not None


def called_models(connection: Connection, org: int, start: Instant, end: Instant) -> list[str]:
    """Names of the models that were called in these hours, at most MODELS_MAX."""
    rollup, model = schema.rollup_hour, schema.model
    hours = rollup.c.hour.between(start // HOUR, end // HOUR)
    called = select(rollup.c.model).where(rollup.c.org == org, hours).distinct().limit(MODELS_MAX)
    return list(connection.execute(select(model.c.name).where(model.c.id.in_(called)).order_by(model.c.name)).scalars())


def _floor(connection: Connection, place: list[ColumnElement[bool]]) -> int | None:
    """The last call that a walk may look at; None where there are not so many."""
    walk = select(_RECORD.c.call).where(*place).order_by(_RECORD.c.call.desc())
    return connection.execute(walk.offset(LOOKED_MAX - 1).limit(1)).scalar()


def _fits(connection: Connection, wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.model is not None:
        number = connection.execute(select(schema.model.c.id).where(schema.model.c.name == wanted.model)).scalar()
        conditions.append(_RECORD.c.model == (-1 if number is None else number))
    if wanted.key is not None:
        conditions.append(_RECORD.c.key == wanted.key)
    if wanted.tier is not None:
        conditions.append(_RECORD.c.tier == TIER_CODE[wanted.tier])
    if wanted.status is not None:
        conditions.append(_RECORD.c.status.in_(_codes(wanted.status)))
    return conditions


def _codes(status: Status) -> list[int]:
    alike = (Status.FAILED, Status.CRASHED) if status is Status.FAILED else (status,)
    return [STATUS_CODE[each] for each in alike]


def _refunds(connection: Connection, org: int, calls: Iterable[int]) -> dict[int, int]:
    """What was given back of each of these calls."""
    query = select(refund.c.call, func.sum(refund.c.amount).label("amount")).where(refund.c.org == org)
    rows = connection.execute(query.where(refund.c.call.in_(list(calls))).group_by(refund.c.call))
    return {row.call: int(row.amount) for row in rows}


def _row(row: Row[*tuple[object, ...]], refunded: int) -> CallRow:
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    status = STATUS_NAME[fields["status"]]
    return CallRow(
        id=request_id(fields["org"], fields["call"]),
        created=call_started(fields["call"]),
        model=fields["model_name"] or "",
        tier=TIER_NAME[fields["tier"]],
        key=fields["key"],
        usage=Usage(**{bucket: fields[bucket] for bucket in BUCKETS}),
        charge=fields["charge"],
        refunded=refunded,
        status=Status.FAILED if status is Status.CRASHED else status,
        queue_ms=fields["queue_ms"],
        total_ms=fields["total_ms"],
    )
