"""The journal: A1 (numbers, lines, chart), A2, A3, A4, A13 of wallets, A12 (idempotency keys)."""

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select

from puyun.catalog.model import TIERS
from puyun.kit.money import WALLET_MAX
from puyun.ledger.audit import Derived, Finding, Flow, not_allowed, wallet_differences
from puyun.ledger.chart import BONUS, INVOICES, PAID, WALLET_ACCOUNTS, Entry, revenue
from puyun.storage import schema
from puyun.storage.checks.acts import acts_table
from puyun.storage.checks.span import Span, halves, whole
from puyun.storage.money import tables

_JOURNAL = schema.journal
_KEY = schema.posting_key


def check_journal(span: Span) -> Iterator[Finding]:
    """Every line of every wallet, and what they come to. After `gather_acts`."""
    yield from _order(span)
    flows = _flows(span)
    for org, wallet in span.wallets.items():
        mine = flows.get(org, [])
        for flow in mine:
            message = not_allowed(flow)
            if message is not None:
                yield from _lines(span, org, flow, message)
        last = span.connection.execute(select(func.max(_JOURNAL.c.number)).where(_JOURNAL.c.org == org)).scalar() or 0
        if wallet.last != last:
            difference = wallet.last - last
            yield span.finding("A1", org, "wallet", f"last is {wallet.last}, derived {last}, difference {difference}")
        for check, message in wallet_differences(wallet, mine, _derived(span, org)):
            yield span.finding(check, org, "wallet", message)
    yield from _keys(span)


def count_transactions(span: Span) -> int:
    query = select(func.count()).select_from(_JOURNAL).where(span.within(_JOURNAL), _JOURNAL.c.line == 0)
    return span.connection.execute(query).scalar_one()


def _order(span: Span) -> Iterator[Finding]:
    """Numbers and lines come one after the other, each moves something, and no balance was ever too low (A4).

    The database says whose journal is not so; that one is walked through, transaction by transaction.
    """
    for org in sorted(_disordered(span).union(_overdrawn(span))):
        yield from _walk(span, org)


def _disordered(span: Span) -> set[int]:
    """As many lines numbered 0 as the last transaction's number, none below: so each number is there, and once."""
    lowest, highest = func.min(_JOURNAL.c.number), func.max(_JOURNAL.c.number)
    heads = func.sum(case((_JOURNAL.c.line == 0, 1), else_=0))
    amounts = or_(func.min(_JOURNAL.c.amount) < 1, func.max(_JOURNAL.c.amount) > WALLET_MAX)
    query = (
        select(_JOURNAL.c.org)
        .where(span.within(_JOURNAL))
        .group_by(_JOURNAL.c.org)
        .having(or_(lowest != 1, highest != heads, func.min(_JOURNAL.c.line) != 0, amounts))
    )
    before = _JOURNAL.alias()
    follows = and_(
        before.c.org == _JOURNAL.c.org, before.c.number == _JOURNAL.c.number, before.c.line == _JOURNAL.c.line - 1
    )
    alone = (
        select(_JOURNAL.c.org).distinct().where(span.within(_JOURNAL), _JOURNAL.c.line > 0, ~exists().where(follows))
    )
    return {row["org"] for query in (query, alone) for row in span.rows(query)}


def _overdrawn(span: Span) -> Iterator[int]:
    """Whose wallet stood too low. Usage only takes, so it is enough to look before each act and at the end, which is what
    the wallet says; and in between, to add up.
    """
    acts = select(
        acts_table.c.org,
        acts_table.c.number,
        func.lag(acts_table.c.number, 1, 0)
        .over(partition_by=acts_table.c.org, order_by=acts_table.c.number)
        .label("before"),
    ).where(acts_table.c.line == 0)
    act = acts.subquery()
    since = and_(_JOURNAL.c.org == act.c.org, _JOURNAL.c.number >= act.c.before, _JOURNAL.c.number < act.c.number)
    sums = (func.sum(_posted()).label("posted"), func.sum(_moved(BONUS)).label("bonus"))
    place = (act.c.org, act.c.number)
    query = select(*place, *sums).select_from(act.join(_JOURNAL, since)).group_by(*place).order_by(*place)
    for org, steps in groupby(span.rows(query), key=itemgetter("org")):
        stood = left = 0
        for step in steps:
            stood, left = stood + int(step["posted"]), left + int(step["bonus"])
            if left < 0 or stood < -span.peaks[org]:
                yield org
                break


def _walk(span: Span, org: int) -> Iterator[Finding]:
    """One wallet's journal, from its first transaction on."""
    steps = (
        select(
            _JOURNAL.c.number,
            (func.count() - 1 - func.max(_JOURNAL.c.line)).label("gap"),
            func.min(_JOURNAL.c.line).label("first"),
            func.min(_JOURNAL.c.amount).label("least"),
            func.max(_JOURNAL.c.amount).label("most"),
            func.sum(_posted()).label("posted"),
            func.sum(_moved(BONUS)).label("bonus"),
        )
        .where(_JOURNAL.c.org == org)
        .group_by(_JOURNAL.c.number)
        .order_by(_JOURNAL.c.number)
    )
    before = stood = left = 0
    lost = False  # a line was out of bounds: what adds up from there on says nothing
    for row in span.connection.execute(steps):
        find = partial(span.finding, org=org, where=f"transaction {row.number}")
        if row.number != before + 1:
            yield find("A1", message=f"it follows transaction {before}")
        before = row.number
        if row.gap or row.first:
            yield find("A1", message=f"its lines are not numbered from 0 without a gap; the first is {row.first}")
        if row.least < 1 or row.most > WALLET_MAX:
            lost = True
            yield find("A1", message=f"a line moves {row.least if row.least < 1 else row.most}")
        stood, left = stood + int(row.posted), left + int(row.bonus)
        if not lost and left < 0:
            yield find("A4", message=f"bonus was {left} after it")
        if not lost and stood < -span.peaks[org]:
            yield find("A4", message=f"the wallet stood at {stood} after it, below its credit limit")


def _posted() -> ColumnElement[Any]:
    """What a line adds to what a wallet may spend, its open invoices included. A usage line takes, or else is A1."""
    own = (PAID, BONUS, INVOICES)
    came = case(*((_JOURNAL.c.credit == account, _JOURNAL.c.amount) for account in own), else_=0)
    went = case(*((_JOURNAL.c.debit == account, _JOURNAL.c.amount) for account in own), else_=0)
    return case((_JOURNAL.c.entry == Entry.USAGE, -_JOURNAL.c.amount), else_=came - went)


def _moved(account: str) -> ColumnElement[Any]:
    """What a line adds to an account on its credit side."""
    return case(
        (_JOURNAL.c.credit == account, _JOURNAL.c.amount), (_JOURNAL.c.debit == account, -_JOURNAL.c.amount), else_=0
    )


def _flows(span: Span) -> dict[int, list[Flow]]:
    """Nearly all lines are usage as the chart has it: they are added up in the order of their key, which sorts nothing."""
    kinds = (_JOURNAL.c.org, _JOURNAL.c.entry, _JOURNAL.c.debit, _JOURNAL.c.credit)
    usage = and_(
        _JOURNAL.c.entry == Entry.USAGE,
        _JOURNAL.c.debit.in_(WALLET_ACCOUNTS),
        _JOURNAL.c.credit.in_([revenue(tier) for tier in TIERS]),
    )
    taken = {"paid": PAID, "bonus": BONUS}
    sums = [
        half
        for name, account in taken.items()
        for half in halves(case((_JOURNAL.c.debit == account, _JOURNAL.c.amount), else_=0), name)
    ]
    found: defaultdict[int, list[Flow]] = defaultdict(list)
    for row in span.rows(select(_JOURNAL.c.org, *sums).where(span.within(_JOURNAL), usage).group_by(_JOURNAL.c.org)):
        found[row["org"]] += [
            Flow(Entry.USAGE, account, revenue(TIERS[0]), whole(row, name)) for name, account in taken.items()
        ]
    query = select(*kinds, *halves(_JOURNAL.c.amount, "amount")).where(span.within(_JOURNAL), ~usage).group_by(*kinds)
    for row in span.rows(query):
        found[row["org"]].append(Flow(row["entry"], row["debit"], row["credit"], whole(row, "amount")))
    return found


def _lines(span: Span, org: int, flow: Flow, message: str) -> Iterator[Finding]:
    kind = and_(_JOURNAL.c.entry == flow.entry, _JOURNAL.c.debit == flow.debit, _JOURNAL.c.credit == flow.credit)
    query = select(_JOURNAL.c.org, _JOURNAL.c.number).where(_JOURNAL.c.org == org, kind)
    for row in span.rows(query):
        yield span.finding("A1", org, f"transaction {row['number']}", message)


def _derived(span: Span, org: int) -> Derived:
    def total(column: ColumnElement[int], *where: ColumnElement[bool]) -> int:
        return int(span.connection.execute(select(func.sum(column)).where(*where)).scalar() or 0)

    hold, payout, invoice, dispute = schema.hold, tables.payout, tables.invoice, tables.dispute
    return Derived(
        held=total(hold.c.amount, hold.c.org == org)
        + total(payout.c.amount, payout.c.org == org, payout.c.state == "held"),
        invoiced=total(invoice.c.amount, invoice.c.org == org, invoice.c.state == "open"),
        disputed=total(dispute.c.debt, dispute.c.org == org, dispute.c.state == "open"),
    )


def _keys(span: Span) -> Iterator[Finding]:
    """Every key names the posting that carries it, and every posting but usage has one."""
    head = and_(_JOURNAL.c.org == _KEY.c.org, _JOURNAL.c.number == _KEY.c.number, _JOURNAL.c.line == 0)
    query = select(_KEY, _JOURNAL.c.ref.label("found")).select_from(_KEY.outerjoin(_JOURNAL, head))
    for row in span.rows(query.where(span.within(_KEY), func.coalesce(_JOURNAL.c.ref, "") != _KEY.c.ref)):
        found = "has no such transaction" if row["found"] is None else f"has {row['found']!r} there"
        message = f"it names transaction {row['number']}, the journal {found}"
        yield span.finding("A12", row["org"], f"key {row['ref']!r}", message)
    kept = and_(_KEY.c.org == _JOURNAL.c.org, _KEY.c.ref == _JOURNAL.c.ref)
    query = (
        select(_JOURNAL.c.org, _JOURNAL.c.number, _JOURNAL.c.ref, _KEY.c.number.label("kept"))
        .select_from(_JOURNAL.outerjoin(_KEY, kept))
        .where(span.within(_JOURNAL), _JOURNAL.c.line == 0)
        .where(or_(_JOURNAL.c.ref != "", _JOURNAL.c.entry != Entry.USAGE))
        .where(func.coalesce(_KEY.c.number, 0) != _JOURNAL.c.number)
    )
    for row in span.rows(query):
        where = f"transaction {row['number']}"
        if row["kept"] is None:
            yield span.finding(
                "A12", row["org"], where, f"its key {row['ref']!r} is not kept, so it could be posted again"
            )
        else:
            yield span.finding(
                "A12", row["org"], where, f"its key {row['ref']!r} stands on transaction {row['kept']} too"
            )
