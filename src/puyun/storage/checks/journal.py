"""The journal: A1 (numbers, lines, chart), A2, A3, A4, A13 of wallets, A12 (idempotency keys)."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate, groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from puyun.kit.money import WALLET_MAX
from puyun.ledger.audit import Derived, Finding, Flow, not_allowed, wallet_differences
from puyun.ledger.chart import BONUS, INVOICES, PAID, Entry
from puyun.storage import schema
from puyun.storage.checks.span import Span, halves, whole
from puyun.storage.money import tables
from puyun.storage.money.chunks import chunks

_JOURNAL = schema.journal
_KEY = schema.posting_key

CHUNK = 4000
"""Transactions looked at together."""


def check_journal(span: Span) -> Iterator[Finding]:
    """Every line of every wallet, and what they come to."""
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

    Transactions are grouped in the order of their key, which costs no sorting; a chunk in which nothing stands out is
    looked at as a whole.
    """
    posted = _moved(PAID) + _moved(BONUS) + _moved(INVOICES)
    steps = (
        select(
            _JOURNAL.c.org,
            _JOURNAL.c.number,
            func.count() - 1 - func.max(_JOURNAL.c.line),
            func.min(_JOURNAL.c.line),
            func.min(_JOURNAL.c.amount),
            func.max(_JOURNAL.c.amount),
            func.sum(posted),
            func.sum(_moved(BONUS)),
        )
        .where(span.within(_JOURNAL))
        .group_by(_JOURNAL.c.org, _JOURNAL.c.number)
        .order_by(_JOURNAL.c.org, _JOURNAL.c.number)
    )
    walks = {org: _Walk(span, org) for org in span.wallets}
    for rows in chunks(span.connection, steps, CHUNK):
        for org, mine in groupby(rows, key=itemgetter(0)):
            if org in walks:
                yield from walks[org].go(list(mine))


class _Walk:
    """One wallet's journal, from its first transaction on."""

    def __init__(self, span: Span, org: int) -> None:
        self._span = span
        self._org = org
        self._number = 0
        self._stood = 0
        self._left = 0
        self._lost = False
        """A line was out of bounds: what adds up from there on says nothing."""

    def go(self, rows: Sequence[Sequence[int]]) -> Iterator[Finding]:
        """Rows as `_order` selects them."""
        _, numbers, gaps, firsts, least, most, posted, bonus = zip(*rows, strict=True)
        expected = tuple(range(self._number + 1, self._number + 1 + len(rows)))
        stood = list(accumulate(map(int, posted), initial=self._stood))
        left = list(accumulate(map(int, bonus), initial=self._left))
        lines = any(gaps) or any(firsts) or min(least) < 1 or max(most) > WALLET_MAX
        low = min(stood) < -self._span.peaks[self._org] or min(left) < 0
        if numbers != expected or lines or low:
            for row, balance, rest in zip(rows, stood[1:], left[1:], strict=True):
                yield from self._step(row, balance, rest)
        self._number, self._stood, self._left = numbers[-1], stood[-1], left[-1]

    def _step(self, row: Sequence[int], stood: int, left: int) -> Iterator[Finding]:
        _, number, gap, first, least, most, *_ = row
        find = partial(self._span.finding, org=self._org, where=f"transaction {number}")
        if number != self._number + 1:
            yield find("A1", message=f"it follows transaction {self._number}")
        self._number = number
        if gap or first:
            yield find("A1", message=f"its lines are not numbered from 0 without a gap; the first is {first}")
        if least < 1 or most > WALLET_MAX:
            self._lost = True
            yield find("A1", message=f"a line moves {least if least < 1 else most}")
        if self._lost:
            return
        if left < 0:
            yield find("A4", message=f"bonus was {left} after it")
        if stood < -self._span.peaks[self._org]:
            yield find("A4", message=f"the wallet stood at {stood} after it, below its credit limit")


def _moved(account: str) -> ColumnElement[Any]:
    """What a line adds to an account on its credit side."""
    return case(
        (_JOURNAL.c.credit == account, _JOURNAL.c.amount), (_JOURNAL.c.debit == account, -_JOURNAL.c.amount), else_=0
    )


def _flows(span: Span) -> dict[int, list[Flow]]:
    kinds = (_JOURNAL.c.org, _JOURNAL.c.entry, _JOURNAL.c.debit, _JOURNAL.c.credit)
    query = select(*kinds, *halves(_JOURNAL.c.amount, "amount")).where(span.within(_JOURNAL)).group_by(*kinds)
    found: defaultdict[int, list[Flow]] = defaultdict(list)
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
