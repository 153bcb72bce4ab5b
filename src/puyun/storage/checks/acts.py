"""What acts left beside their postings: A14 (lots), A16 (refunds), A17 (codes, payouts, disputes, invoices, matched payments)."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Select,
    String,
    Table,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.expression import Subquery

from puyun.kit.ids import request_id
from puyun.ledger.audit import Finding
from puyun.ledger.chart import BONUS, FEES, PAID, Entry
from puyun.storage import schema
from puyun.storage.checks.span import Span
from puyun.storage.money import tables

acts_table = Table(
    "audit_acts",
    MetaData(),
    Column("org", schema.Id, primary_key=True),
    Column("number", schema.Id, primary_key=True),
    Column("line", schema.Small, primary_key=True),
    Column("entry", Text),
    Column("debit", Text),
    Column("credit", Text),
    Column("amount", schema.Money),
    prefixes=["TEMPORARY"],
)
"""The lines of a span that are no usage: few, and looked at often. Lives as long as the transaction that reads."""

_ACTS = acts_table
_KEY = schema.posting_key
_BACK = (Entry.REFUND, Entry.CORRECTION)


def prepare_acts(connection: Connection) -> None:
    acts_table.drop(connection, checkfirst=True)
    acts_table.create(connection)


def gather_acts(span: Span) -> None:
    """Into `acts_table`; after `prepare_acts`."""
    journal, names = schema.journal, [column.name for column in _ACTS.c]
    lines = select(*(journal.c[name] for name in names))
    span.connection.execute(delete(_ACTS))
    span.connection.execute(
        insert(_ACTS).from_select(names, lines.where(span.within(journal), journal.c.entry != Entry.USAGE))
    )


def check_acts(span: Span) -> Iterator[Finding]:
    """After `gather_acts`."""
    yield from _lots(span)
    yield from _refunds(span)
    yield from _rows(span)
    yield from _matched(span)


def check_numbers(connection: Connection) -> Iterator[Finding]:
    """A13: invoice numbers have no gap. Once for all organizations."""
    invoice, counter = tables.invoice, tables.counter
    query = select(
        func.count(), func.coalesce(func.max(invoice.c.number), 0), func.coalesce(func.min(invoice.c.number), 1)
    )
    count, last, first = connection.execute(query).one()
    given = connection.execute(select(counter.c.value).where(counter.c.name == "invoice")).scalar() or 0
    if (count, last, first) != (given, given, 1):
        message = f"{given} were given, there are {count}, from {first} to {last}"
        yield Finding("A13", "invoice numbers", message)


def _lots(span: Span) -> Iterator[Finding]:
    """A14: bonus that came in is a lot of the same amount."""
    lot = tables.lot
    came = select(_ACTS.c.org, _ACTS.c.number, _ACTS.c.amount.label("amount")).where(
        _ACTS.c.credit == BONUS, _ACTS.c.entry.not_in(_BACK)
    )
    kept = select(lot.c.org, lot.c.number, -lot.c.amount).where(span.within(lot))
    for row in span.rows(_unequal(came, kept)):
        message = f"its lot differs from its bonus by {-int(row['amount'])}"
        yield span.finding("A14", row["org"], f"transaction {row['number']}", message)


def _refunds(span: Span) -> Iterator[Finding]:
    """A16: refunds are their postings, and all of a call's come to at most its charge, and its bonus."""
    refund, record = tables.refund, schema.usage_record
    back = _ACTS.c.entry.in_(_BACK)
    whole = select(_ACTS.c.org, _ACTS.c.number, _ACTS.c.amount.label("amount")).where(back)
    kinds = (
        ("", whole, refund.c.amount),
        ("bonus ", whole.where(_ACTS.c.credit == BONUS), refund.c.from_bonus),
    )
    for kind, posted, amount in kinds:
        kept = select(refund.c.org, refund.c.number, -amount).where(span.within(refund))
        for row in span.rows(_unequal(posted, kept)):
            message = f"it is a refund of {int(row['amount'])} more {kind}than is written down with its call"
            yield span.finding("A16", row["org"], f"transaction {row['number']}", message)
    given = (
        select(
            refund.c.org,
            refund.c.call,
            func.sum(refund.c.amount).label("amount"),
            func.sum(refund.c.from_bonus).label("bonus"),
        )
        .where(span.within(refund))
        .group_by(refund.c.org, refund.c.call)
        .subquery()
    )
    mine = and_(record.c.org == given.c.org, record.c.call == given.c.call)
    query = select(given, record.c.charge, record.c.from_bonus).select_from(given.outerjoin(record, mine))
    above = or_(
        given.c.amount > func.coalesce(record.c.charge, 0), given.c.bonus > func.coalesce(record.c.from_bonus, 0)
    )
    for row in span.rows(query.where(above)):
        message = (
            f"{int(row['amount'])} was given back, {int(row['bonus'])} of it bonus, of a charge of {row['charge']}"
        )
        yield span.finding("A16", row["org"], request_id(row["org"], row["call"]), message)


def _unequal(*parts: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Transactions whose parts do not add up to zero."""
    both = union_all(*parts).subquery()
    total = func.sum(both.c.amount)
    place = (both.c.org, both.c.number)
    return select(*place, total.label("amount")).group_by(*place).having(total != 0)


def _rows(span: Span) -> Iterator[Finding]:
    """A17: what a row says happened was posted under its key, with its amount, and the other way round."""
    for kind, said, entries in _kinds():
        amount = func.sum(case((_ACTS.c.debit == FEES, 0), else_=_ACTS.c.amount)).label("amount")
        posted = (
            select(_ACTS.c.org, _KEY.c.ref, amount)
            .join(_KEY, and_(_KEY.c.org == _ACTS.c.org, _KEY.c.number == _ACTS.c.number))
            .where(_ACTS.c.entry.in_(entries))
            .group_by(_ACTS.c.org, _KEY.c.ref)
        )
        both = union_all(posted, select(said.c.org, said.c.ref, -said.c.amount).where(_between(span, said))).subquery()
        total = func.sum(both.c.amount)
        query = select(both.c.org, both.c.ref, total.label("amount")).group_by(both.c.org, both.c.ref)
        for row in span.rows(query.having(total != 0)):
            message = f"{kind} differ from what was posted under it by {int(row['amount'])}"
            yield span.finding("A17", row["org"], f"key {row['ref']!r}", message)


def _matched(span: Span) -> Iterator[Finding]:
    """A17: a payment that was matched was posted under its own key, once (A12), with its amount."""
    payment = tables.unmatched_payment
    key = payment.c.processor.concat(":").concat(payment.c.ref)
    account = literal("processor:").concat(payment.c.processor)
    posted = and_(_ACTS.c.org == _KEY.c.org, _ACTS.c.number == _KEY.c.number)
    line = and_(posted, _ACTS.c.entry == Entry.TOPUP, _ACTS.c.debit == account, _ACTS.c.credit == PAID)
    found = func.coalesce(_ACTS.c.amount, 0)
    query = (
        select(payment.c.org, key.label("ref"), payment.c.amount, found.label("found"))
        .select_from(
            payment.outerjoin(_KEY, and_(_KEY.c.org == payment.c.org, _KEY.c.ref == key)).outerjoin(_ACTS, line)
        )
        .where(payment.c.org.between(span.first, span.last), found != payment.c.amount)
    )
    for row in span.rows(query):
        message = f"a payment of {row['amount']} was matched, {row['found']} was posted under it"
        yield span.finding("A17", row["org"], f"key {row['ref']!r}", message)


def _between(span: Span, said: Subquery) -> ColumnElement[bool]:
    return said.c.org.between(span.first, span.last)


def _kinds() -> Iterator[tuple[str, Subquery, tuple[Entry, ...]]]:
    """(what it is, its rows as organization, key and amount, the kinds of transactions they stand for)."""
    code, payout, dispute, invoice = tables.redeem_code, tables.payout, tables.dispute, tables.invoice

    def said(
        org: ColumnElement[Any], ref: ColumnElement[Any], amount: ColumnElement[Any], *where: Any
    ) -> Select[*tuple[Any, ...]]:
        return select(org.label("org"), ref.label("ref"), amount.label("amount")).where(*where)

    def key(*parts: str | ColumnElement[Any]) -> ColumnElement[str]:
        texts = [literal(part, String) if isinstance(part, str) else func.cast(part, String) for part in parts]
        first, *rest = texts
        for text in rest:
            first = first.concat(text)
        return first

    yield (
        "codes",
        said(code.c.used_by, key("code:", code.c.id), code.c.amount, code.c.used_by.is_not(None)).subquery(),
        (Entry.REDEEM,),
    )
    paid = payout.c.state == "paid"
    yield (
        "payouts",
        said(payout.c.org, key("payout:", payout.c.id, ":paid"), payout.c.amount, paid).subquery(),
        (Entry.PAYOUT,),
    )
    opened = said(dispute.c.org, key("dispute:", dispute.c.ref), dispute.c.amount).subquery()
    yield "disputes", opened, (Entry.CHARGEBACK,)
    won = said(dispute.c.org, key("dispute:", dispute.c.ref, ":won"), dispute.c.amount, dispute.c.state == "won")
    yield "disputes", won.subquery(), (Entry.CHARGEBACK_WON,)
    issued = said(invoice.c.org, key("issue:", invoice.c.ref), invoice.c.amount).subquery()
    yield "invoices", issued, (Entry.INVOICE,)
    settled = said(
        invoice.c.org, key("invoice:", invoice.c.number, ":paid"), invoice.c.amount, invoice.c.state == "paid"
    )
    yield "invoices", settled.subquery(), (Entry.INVOICE_PAID,)
    lost = and_(dispute.c.state == "lost", dispute.c.debt > 0)
    off = union_all(
        said(dispute.c.org, key("dispute:", dispute.c.ref, ":lost"), dispute.c.debt, lost),
        said(
            invoice.c.org,
            key("invoice:", invoice.c.number, ":written-off"),
            invoice.c.amount,
            invoice.c.state == "written_off",
        ),
    )
    yield "write-offs", off.subquery(), (Entry.WRITE_OFF,)
