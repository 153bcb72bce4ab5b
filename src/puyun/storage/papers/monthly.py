"""Invoices of months: what an organization with a credit limit owed when a month ended, once the month is closed."""

from sqlalchemy import Connection, Engine, exists, func, select

from puyun.kit.clock import DAY, Instant
from puyun.ledger.chart import PAID
from puyun.ledger.command import Act
from puyun.pricing.papers.invoice import Series
from puyun.pricing.papers.parties import Seller
from puyun.pricing.statement import Month
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.money import tables as money
from puyun.storage.money.invoices import InvoiceRow, issue_invoice
from puyun.storage.papers.details import load_details
from puyun.storage.papers.issuing import Basis, issue
from puyun.storage.wallets import load_wallet

BY = "monthly"

_WALLET, _JOURNAL, _CLOSED, _INVOICE = schema.wallet, schema.journal, schema.statement, money.invoice


def owing(connection: Connection, month: Month, limit: int) -> list[int]:
    """Organizations that owe something, whose month is closed and has no invoice under its name yet."""
    closed = exists().where(_CLOSED.c.org == _WALLET.c.org, _CLOSED.c.month == month.name)
    asked = exists().where(_INVOICE.c.org == _WALLET.c.org, _INVOICE.c.ref == month.name)
    query = select(_WALLET.c.org).where(_WALLET.c.credit_limit > 0, _WALLET.c.paid < 0, closed, ~asked)
    return list(connection.execute(query.order_by(_WALLET.c.org).limit(limit)).scalars())


def invoice_month(engine: Engine, org: int, month: Month, seller: Seller, now: Instant) -> InvoiceRow | None:
    """Of what was owed when the month ended and still is; None where that is nothing, or somebody was first.

    The paper is issued with it where the organization has billing details; otherwise when it is asked for.
    """
    with reading(engine) as connection:
        then = _owed_at(connection, org, month.end)
    with writing(engine) as connection:
        mine = _INVOICE.c.org == org, _INVOICE.c.ref == month.name
        if connection.execute(select(_INVOICE.c.number).where(*mine)).first() is not None:
            return None
        # What pays a debt off is an act under the lock of this transaction; calls beside it only add to it.
        amount = min(then, -load_wallet(connection, org).paid)
        if amount <= 0:
            return None
        due = Instant(now + seller.due_days * DAY)
        row = issue_invoice(connection, org, amount, due_at=due, act=Act(month.name, BY), now=now)
        if seller.issues and load_details(connection, org) is not None:
            issue(connection, org, Basis(Series.CREDIT, row.number), seller, by=BY, now=now)
        return row


def _owed_at(connection: Connection, org: int, moment: Instant) -> int:
    """How far the paid part of the wallet was below zero."""
    amount = func.coalesce(func.sum(_JOURNAL.c.amount), 0)
    before = (_JOURNAL.c.org == org, _JOURNAL.c.at < moment)
    taken = connection.execute(select(amount).where(*before, _JOURNAL.c.debit == PAID)).scalar_one()
    given = connection.execute(select(amount).where(*before, _JOURNAL.c.credit == PAID)).scalar_one()
    return int(taken) - int(given)
