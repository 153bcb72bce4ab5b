"""Usage records: A5 against the journal, A6 against the rollups, A7, A8, A9, A18 each by itself."""

from collections.abc import Iterator
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, case, func, literal, or_, select, union_all
from sqlalchemy.engine import RowMapping

from puyun.kit.clock import HOUR
from puyun.kit.ids import EPOCH_MS, call_started, request_id
from puyun.kit.money import PICO_PER_NANO, charge_of
from puyun.ledger.audit import Finding
from puyun.ledger.chart import BONUS, PAID, Entry, revenue
from puyun.ledger.hold import ENDING, HoldEvent, Status
from puyun.metering.record import Flag
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.rate import rate
from puyun.storage import schema
from puyun.storage.checks.rating import Rating, rates_table
from puyun.storage.checks.span import Span
from puyun.storage.ledger.codes import STATUS_CODE, STATUS_NAME, TIER_CODE, TIER_NAME

_JOURNAL = schema.journal
_RECORD = schema.usage_record
_ROLLUP = schema.rollup_hour

_FREE = tuple(code for status, code in STATUS_CODE.items() if ENDING[Status(status)] is not HoldEvent.SETTLE)
_SUMS = ("calls", "failures", *BUCKETS, "charge")
_CELL = ("hour", "key", "model", "tier")


def check_records(span: Span, rating: Rating) -> Iterator[Finding]:
    yield from _transactions(span)
    yield from _rollups(span)
    for row in span.rows(_odd(span)):
        yield from _record(span, row, rating)


def count_records(span: Span) -> int:
    return span.connection.execute(select(func.count()).select_from(_RECORD).where(span.within(_RECORD))).scalar_one()


def _transactions(span: Span) -> Iterator[Finding]:
    """A5: per transaction and tier, the charges of the records are the usage lines; bonus likewise."""
    tier = case(*((_JOURNAL.c.credit == revenue(name), code) for name, code in TIER_CODE.items()), else_=0)
    records = select(
        _RECORD.c.org,
        _RECORD.c.number,
        _RECORD.c.tier,
        (_RECORD.c.charge - _RECORD.c.from_bonus).label("paid"),
        _RECORD.c.from_bonus.label("bonus"),
    ).where(span.within(_RECORD), _RECORD.c.charge != 0)
    lines = select(
        _JOURNAL.c.org,
        _JOURNAL.c.number,
        tier.label("tier"),
        case((_JOURNAL.c.debit == PAID, -_JOURNAL.c.amount), else_=0).label("paid"),
        case((_JOURNAL.c.debit == BONUS, -_JOURNAL.c.amount), else_=0).label("bonus"),
    ).where(span.within(_JOURNAL), _JOURNAL.c.entry == Entry.USAGE)
    both = union_all(records, lines).subquery()
    place = (both.c.org, both.c.number, both.c.tier)
    paid, bonus = func.sum(both.c.paid), func.sum(both.c.bonus)
    query = select(*place, paid.label("paid"), bonus.label("bonus")).group_by(*place).having(or_(paid != 0, bonus != 0))
    for row in span.rows(query):
        name = TIER_NAME.get(row["tier"], "other")
        for source, difference in (("paid money", int(row["paid"])), ("bonus", int(row["bonus"]))):
            if difference:
                message = f"{name} records differ from its lines by {difference} of {source}"
                yield span.finding("A5", row["org"], f"transaction {row['number']}", message)


def _rollups(span: Span) -> Iterator[Finding]:
    """A6: each cell of the hourly rollup is the sum of its records (I19)."""
    hour = (_RECORD.c.call.bitwise_rshift(literal(22, Integer)) + EPOCH_MS) // (HOUR // 1000)
    failed = case((_RECORD.c.status.in_(_FREE), 1), else_=0)
    sums = (literal(1), failed, *(_RECORD.c[bucket] for bucket in BUCKETS), _RECORD.c.charge)
    records = select(
        _RECORD.c.org,
        hour.label("hour"),
        _RECORD.c.key,
        _RECORD.c.model,
        _RECORD.c.tier,
        *(column.label(name) for name, column in zip(_SUMS, sums, strict=True)),
    ).where(span.within(_RECORD))
    rollups = select(
        _ROLLUP.c.org,
        *(_ROLLUP.c[name] for name in _CELL),
        *((-_ROLLUP.c[name]).label(name) for name in _SUMS),
    ).where(span.within(_ROLLUP))
    both = union_all(records, rollups).subquery()
    place = (both.c.org, *(both.c[name] for name in _CELL))
    totals = [func.sum(both.c[name]) for name in _SUMS]
    query = select(*place, *(total.label(name) for name, total in zip(_SUMS, totals, strict=True)))
    for row in span.rows(query.group_by(*place).having(or_(*(total != 0 for total in totals)))):
        yield from _cell(span, row)


def _cell(span: Span, row: RowMapping) -> Iterator[Finding]:
    place = and_(_ROLLUP.c.org == row["org"], *(_ROLLUP.c[name] == row[name] for name in _CELL))
    stored = span.connection.execute(select(_ROLLUP).where(place)).mappings().first()
    where = "rollup " + ", ".join(f"{name} {row[name]}" for name in _CELL)
    for name in _SUMS:
        here = 0 if stored is None else stored[name]
        if int(row[name]):
            message = f"{name} is {here}, the records add up to {here + int(row[name])}"
            yield span.finding("A6", row["org"], where, message)


def _odd(span: Span) -> Select[*tuple[Any, ...]]:
    """Records that break a rule of their own; the join looks at all of them, and returns next to none."""
    record, rates = _RECORD, rates_table
    exact: ColumnElement[Any] = reduce(
        lambda total, part: total + part,
        (span.wide(record.c[bucket]) * span.wide(rates.c[bucket]) for bucket in BUCKETS),
    )
    signs: ColumnElement[int] = reduce(lambda all_, one: all_.bitwise_or(one), (record.c[bucket] for bucket in BUCKETS))
    rated = record.c.exact // PICO_PER_NANO
    free = record.c.status.in_(_FREE)
    joined = and_(
        rates.c.price_ids == record.c.price_ids, rates.c.model == record.c.model, rates.c.tier == record.c.tier
    )
    return (
        select(record)
        .select_from(record.outerjoin(rates, joined))
        .where(span.within(record))
        .where(
            or_(
                rates.c.price_ids.is_(None),
                and_(record.c.exact != exact, ~and_(free, record.c.exact == 0)),
                signs < 0,
                record.c.call < rates.c.since,
                record.c.call >= rates.c.until,
                record.c.charge > rated,
                and_(record.c.charge < rated, ~free, record.c.flags.bitwise_and(int(Flag.OVERRUN)) == 0),
                and_(record.c.charge != 0, free),
                (record.c.charge != 0) != (record.c.number != 0),
            )
        )
    )


def _record(span: Span, row: RowMapping, rating: Rating) -> Iterator[Finding]:
    """The same rules in words."""
    org, charge, status = row["org"], row["charge"], STATUS_NAME.get(row["status"])
    where = request_id(org, row["call"])
    free = row["status"] in _FREE
    if charge and free:
        yield span.finding("A18", org, where, f"a {status} call is charged {charge}")
    if bool(charge) != bool(row["number"]):
        yield span.finding("A7", org, where, f"it charges {charge} in transaction {row['number']}")
    rates = rating.recorded(row["price_ids"], row["model"], row["tier"])
    if isinstance(rates, str):
        yield span.finding("A8", org, where, rates)
        return
    usage = Usage(**{bucket: row[bucket] for bucket in BUCKETS})
    exact = rate(usage, rates).exact
    if min(getattr(usage, bucket) for bucket in BUCKETS) < 0:
        yield span.finding("A8", org, where, "it counts tokens below zero")
    if row["exact"] != exact and not (free and row["exact"] == 0):
        message = f"its exact cost is {row['exact']}, its tokens and prices come to {exact}"
        yield span.finding("A8", org, where, message)
    late = rating.late(row["price_ids"], call_started(row["call"]))
    if late is not None:
        yield span.finding("A8", org, where, late)
    rated = charge_of(row["exact"])
    if charge > rated:
        yield span.finding("A9", org, where, f"it is charged {charge}, more than the {rated} it came to")
    if charge < rated and not free and not row["flags"] & Flag.OVERRUN:
        message = f"it is charged {charge}, less than the {rated} it came to, without the flag"
        yield span.finding("A9", org, where, message)
