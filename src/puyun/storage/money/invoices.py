"""Invoices of organizations with a credit limit. Their numbers have no gap: the counter and the invoice commit together."""

import msgspec
from sqlalchemy import Connection, insert, select, update

from puyun.kit.clock import Instant
from puyun.ledger.acts import invoicing
from puyun.ledger.acts.invoicing import Invoice
from puyun.ledger.command import Act, Reason, Refused
from puyun.storage.money import tables
from puyun.storage.money.posting import locked, perform, read, refusal, reused, unknown

_INVOICE = tables.invoice
_COUNTER = tables.counter


class InvoiceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `invoice`: `state` is open, paid or written_off."""

    number: int
    org: int
    ref: str
    amount: int
    state: str
    issued_at: Instant
    due_at: Instant | None
    ended_at: Instant | None


def issue_invoice(
    connection: Connection, org: int, amount: int | None, *, due_at: Instant | None, act: Act, now: Instant
) -> InvoiceRow:
    """An invoice of `amount`, or of all that the wallet is below zero.

    Raises PuyunError `nothing_to_do`, `invoice_above_debt`, `reference_reused` (409), `invalid_amount` (400).
    """
    wallet = locked(connection, org)
    row = connection.execute(select(_INVOICE).where(_INVOICE.c.org == org, _INVOICE.c.ref == act.ref)).first()
    if row is not None:
        first = read(row, InvoiceRow)
        if amount not in {None, first.amount}:
            raise reused(act.ref)
        return first
    owed = -wallet.paid
    asked = owed if amount is None else amount
    perform(connection, wallet, invoicing.issued(org, asked, owed, act), now)
    values = {
        "number": _next(connection),
        "org": org,
        "ref": act.ref,
        "amount": asked,
        "state": "open",
        "issued_at": now,
        "due_at": due_at,
    }
    return read(connection.execute(insert(_INVOICE).values(values).returning(_INVOICE)).one(), InvoiceRow)


def pay_invoice(connection: Connection, number: int, account: str, *, act: Act, now: Instant) -> InvoiceRow:
    """Its money came in. Raises PuyunError `invoice_not_found` (404), `already_ended` (409)."""
    found = _locked(connection, number)
    if found.state == "paid":
        return found
    if found.state != "open":
        raise refusal(Refused(Reason.ENDED))
    invoice = Invoice(number=number, org=found.org, amount=found.amount)
    perform(connection, locked(connection, found.org), invoicing.paid(invoice, account, act), now)
    return _ended(connection, number, "paid", now)


def write_off_invoice(connection: Connection, number: int, approved_by: str, *, act: Act, now: Instant) -> InvoiceRow:
    """It will not be paid. Raises PuyunError as `pay_invoice`, `second_person_missing` (409), `reason_missing` (400)."""
    found = _locked(connection, number)
    if found.state == "written_off":
        return found
    if found.state != "open":
        raise refusal(Refused(Reason.ENDED))
    invoice = Invoice(number=number, org=found.org, amount=found.amount)
    perform(connection, locked(connection, found.org), invoicing.written_off(invoice, approved_by, act), now)
    return _ended(connection, number, "written_off", now)


def list_invoices(connection: Connection, org: int | None) -> list[InvoiceRow]:
    """Newest first."""
    query = select(_INVOICE).order_by(_INVOICE.c.number.desc())
    found = query if org is None else query.where(_INVOICE.c.org == org)
    return [read(row, InvoiceRow) for row in connection.execute(found)]


def _locked(connection: Connection, number: int) -> InvoiceRow:
    """The wallet is locked before the invoice is read."""
    org = connection.execute(select(_INVOICE.c.org).where(_INVOICE.c.number == number)).scalar()
    if org is None:
        raise unknown("invoice", str(number))
    locked(connection, org)
    return read(connection.execute(select(_INVOICE).where(_INVOICE.c.number == number)).one(), InvoiceRow)


def _ended(connection: Connection, number: int, state: str, now: Instant) -> InvoiceRow:
    ended = update(_INVOICE).where(_INVOICE.c.number == number).values(state=state, ended_at=now).returning(_INVOICE)
    return read(connection.execute(ended).one(), InvoiceRow)


def _next(connection: Connection) -> int:
    """Locks the counter's row, so that numbers are given in the order of commits and come back with a rollback."""
    mine = _COUNTER.c.name == "invoice"
    counted = update(_COUNTER).where(mine).values(value=_COUNTER.c.value + 1).returning(_COUNTER.c.value)
    return connection.execute(counted).scalar_one()
