"""Statements out of the journal, the records and the rollups, and the hash that closes a month.

The hash is stored once, when nothing of the month can change any more; from then on the statement can be made again at any
time, and is found to be the same or not.
"""

from collections.abc import Iterator

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, case, func, insert, select

from puyun.kit.clock import HOUR, Instant, format_instant
from puyun.kit.errors import Blame, PuyunError
from puyun.kit.ids import first_call_at, format_id
from puyun.ledger.chart import BONUS, PAID, Entry
from puyun.ledger.hold import ENDING, HoldEvent
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.pricebook import PriceBook
from puyun.pricing.rate import lines as lines_of
from puyun.pricing.statement import Amounts, Month, Movement, Share, Sold, Statement, Used, digest, parse_month
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.ledger.codes import STATUS_NAME, TIER_NAME
from puyun.storage.prices import load_price_rows
from puyun.storage.wallets import load_wallet

_JOURNAL = schema.journal
_RECORD = schema.usage_record
_ROLLUP = schema.rollup_hour
_STATEMENT = schema.statement
_FREE = [code for code, status in STATUS_NAME.items() if ENDING[status] is not HoldEvent.SETTLE]

CLOSED_MAX = 120
"""Closed months listed at once: ten years."""


class Closed(msgspec.Struct, frozen=True):
    """A month that was closed: the SHA-256 of its canonical rendering, in hexadecimal."""

    month: str
    sha256: str
    closed_at: Instant


def load_statement(connection: Connection, org: int, month: Month) -> Statement:
    """The month as the database has it. Raises PuyunError `statement_disagrees` (500) when its sources do not agree."""
    currency = load_wallet(connection, org).currency
    lines, offers = _sales(connection, org, month)
    statement = Statement(
        org=org,
        currency=currency,
        month=month,
        opening=_moved(connection, _JOURNAL.c.org == org, _JOURNAL.c.at < month.start),
        movements=tuple(_movements(connection, org, month)),
        settled=_settled(connection, org, month),
        carried_in=_under_way(connection, org, month.start),
        carried_out=_under_way(connection, org, month.end),
        lines=lines,
        offers=offers,
        keys=tuple(_shares(connection, org, month)),
    )
    if not statement.adds_up:
        text = f"Journal, records and rollups of {format_id('org', org)} in {month.name} do not agree. Run: puyun audit"
        raise PuyunError("statement_disagrees", 500, text, blame=Blame.US)
    return statement


def load_closed(connection: Connection, org: int, month: Month) -> Closed | None:
    row = connection.execute(
        select(_STATEMENT).where(_STATEMENT.c.org == org, _STATEMENT.c.month == month.name)
    ).first()
    return None if row is None else Closed(row.month, row.sha256, row.closed_at)


def list_closed(connection: Connection, org: int) -> dict[str, Closed]:
    """The closed months by name, at most CLOSED_MAX of them, the newest."""
    rows = connection.execute(
        select(_STATEMENT).where(_STATEMENT.c.org == org).order_by(_STATEMENT.c.month.desc()).limit(CLOSED_MAX)
    )
    return {row.month: Closed(row.month, row.sha256, row.closed_at) for row in rows}


def is_final(connection: Connection, org: int, month: Month, now: Instant) -> bool:
    """Whether the month is over, and no call that began in it still runs: nothing of it can change any more."""
    hold = schema.hold
    running = select(hold.c.call).where(hold.c.org == org, hold.c.call < first_call_at(month.end)).limit(1)
    return now >= month.end and connection.execute(running).first() is None


def close_month(engine: Engine, org: int, month: Month, now: Instant) -> Closed:
    """Store the hash; a repetition gets the first answer. Writers wait for the storing alone, not for the deriving.

    Raises PuyunError `month_not_over` (409) while the month, or a call that began in it, still runs, and
    `statement_disagrees` (500).
    """
    with reading(engine) as connection:
        closed = load_closed(connection, org, month)
        if closed is not None:
            return closed
        if not is_final(connection, org, month, now):
            text = f"{month.name} is not over, or calls that began in it still run. Close it later."
            raise PuyunError("month_not_over", 409, text)
        statement = load_statement(connection, org, month)
    return keep_closing(engine, statement, now)


def keep_closing(engine: Engine, statement: Statement, now: Instant) -> Closed:
    """Store the hash of a statement that was loaded when its month was final; of two that do so the first counts."""
    org, month = statement.org, statement.month
    with writing(engine) as connection:
        closed = load_closed(connection, org, month)
        if closed is None:
            closed = Closed(month.name, digest(statement), now)
            row = {"org": org, "month": month.name, "sha256": closed.sha256, "closed_at": now}
            connection.execute(insert(_STATEMENT).values(row))
    return closed


def unclosed(connection: Connection, month: Month, limit: int) -> list[int]:
    """Organizations that were there in the month and whose month is not closed."""
    org = schema.organization
    closed = select(_STATEMENT.c.org).where(_STATEMENT.c.month == month.name)
    query = (
        select(org.c.id).where(org.c.created_at < month.end, org.c.id.not_in(closed)).order_by(org.c.id).limit(limit)
    )
    return list(connection.execute(query).scalars())


def changed_statements(connection: Connection, first: int, last: int) -> Iterator[tuple[int, Closed]]:
    """Closed months of organizations `first` to `last` whose statement is no longer what it was: (organization, what
    was closed). Nothing, if all is well.
    """
    kept = select(_STATEMENT).where(_STATEMENT.c.org.between(first, last))
    for row in connection.execute(kept.order_by(_STATEMENT.c.org, _STATEMENT.c.month)).all():
        try:
            same = digest(load_statement(connection, row.org, parse_month(row.month))) == row.sha256
        except PuyunError:
            same = False
        if not same:
            yield row.org, Closed(row.month, row.sha256, row.closed_at)


def describe_closed(closed: Closed) -> str:
    return f"closed {format_instant(closed.closed_at)}, SHA-256 {closed.sha256}"


def _effect(account: str) -> ColumnElement[int]:
    credited = case((_JOURNAL.c.credit == account, _JOURNAL.c.amount), else_=0)
    debited = case((_JOURNAL.c.debit == account, _JOURNAL.c.amount), else_=0)
    return func.coalesce(func.sum(credited - debited), 0)


def _moved(connection: Connection, *conditions: ColumnElement[bool]) -> Amounts:
    row = connection.execute(select(_effect(PAID), _effect(BONUS)).where(*conditions)).one()
    return Amounts(int(row[0]), int(row[1]))


def _within(org: int, month: Month) -> tuple[ColumnElement[bool], ...]:
    return _JOURNAL.c.org == org, _JOURNAL.c.at >= month.start, _JOURNAL.c.at < month.end


def _movements(connection: Connection, org: int, month: Month) -> Iterator[Movement]:
    transactions = func.count(_JOURNAL.c.number.distinct())
    query = select(_JOURNAL.c.entry, transactions, _effect(PAID), _effect(BONUS)).where(*_within(org, month))
    query = query.where(_JOURNAL.c.entry != Entry.USAGE).group_by(_JOURNAL.c.entry).order_by(_JOURNAL.c.entry)
    for entry, count, paid, bonus in connection.execute(query):
        amounts = Amounts(int(paid), int(bonus))
        if amounts != Amounts():
            yield Movement(entry, count, amounts)


def _settled(connection: Connection, org: int, month: Month) -> Amounts:
    moved = _moved(connection, *_within(org, month), _JOURNAL.c.entry == Entry.USAGE)
    return Amounts(-moved.paid, -moved.bonus)


def _under_way(connection: Connection, org: int, moment: Instant) -> int:
    """The charges of calls that began before `moment` and were settled at it or later."""
    begun = select(func.sum(_ROLLUP.c.charge)).where(_ROLLUP.c.org == org, _ROLLUP.c.hour < moment // HOUR)
    before = (_JOURNAL.c.org == org, _JOURNAL.c.at < moment, _JOURNAL.c.entry == Entry.USAGE)
    return int(connection.execute(begun).scalar() or 0) + _moved(connection, *before).total


def _sales(connection: Connection, org: int, month: Month) -> tuple[tuple[Used, ...], tuple[Sold, ...]]:
    """The calls that began in the month, by offer and by the price rows they name."""
    book = PriceBook(load_price_rows(connection))
    free = case((_RECORD.c.status.in_(_FREE), 1), else_=0).label("free")
    by = (_RECORD.c.tier, schema.model.c.name, _RECORD.c.price_ids, free)
    sums = [func.sum(_RECORD.c[name]).label(name) for name in (*BUCKETS, "exact", "charge")]
    query = (
        select(*by, func.count().label("calls"), *sums)
        .join(schema.model, schema.model.c.id == _RECORD.c.model)
        .where(_RECORD.c.org == org, _RECORD.c.call >= first_call_at(month.start))
        .where(_RECORD.c.call < first_call_at(month.end))
        .group_by(*by)
    )
    used: dict[tuple[str, str, str, int], Used] = {}
    sold: dict[tuple[str, str], Sold] = {}
    for row in connection.execute(query).mappings():
        tier, name = TIER_NAME[row["tier"]], row["name"]
        offer = sold.get((tier, name)) or Sold(tier, name)
        calls, charge = int(row["calls"]), int(row["charge"])
        failures, exact = (calls, 0) if row["free"] else (0, int(row["exact"]))
        sold[tier, name] = offer.plus(Sold(tier, name, calls, failures, exact, charge))
        if row["free"]:
            continue
        usage = Usage(**{bucket: int(row[bucket]) for bucket in BUCKETS})
        for line in lines_of(usage, book.recorded(row["price_ids"])):
            cell = (tier, name, line.meter, line.price_id)
            before = used[cell].tokens if cell in used else 0
            tokens = before + line.tokens
            used[cell] = Used(tier, name, line.meter, line.price_id, line.price, tokens, line.price * tokens)
    return tuple(sorted(used.values())), tuple(sorted(sold.values()))


def _shares(connection: Connection, org: int, month: Month) -> Iterator[Share]:
    key = schema.api_key
    sums = [func.sum(_ROLLUP.c[name]).label(name) for name in ("calls", "charge", *BUCKETS)]
    hours = _ROLLUP.c.hour >= month.start // HOUR, _ROLLUP.c.hour < month.end // HOUR
    query = select(_ROLLUP.c.key, key.c.member, *sums).outerjoin(key, key.c.id == _ROLLUP.c.key)
    query = query.where(_ROLLUP.c.org == org, *hours).group_by(_ROLLUP.c.key, key.c.member).order_by(_ROLLUP.c.key)
    for row in connection.execute(query).mappings():
        tokens = sum(int(row[bucket]) for bucket in BUCKETS)
        yield Share(row["key"], row["member"], int(row["calls"]), tokens, int(row["charge"]))
