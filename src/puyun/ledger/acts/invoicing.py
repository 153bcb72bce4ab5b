"""Organizations with a credit limit: their calls take paid money below zero, invoices bring it back. Posting templates.

    exposure = -paid + open_invoices + held <= credit_limit

Issuing changes nothing about what is available: the debt moves from the wallet to the invoice.
"""

import msgspec

from puyun.ledger.chart import BAD_DEBT, INVOICES, PAID, Entry, bank
from puyun.ledger.command import Act, Post, Reason, Refused
from puyun.ledger.posting import Line


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """`number` counts the operator's invoices without a gap."""

    number: int
    org: int
    amount: int


def issued(org: int, amount: int, owed: int, act: Act) -> Post | Refused:
    """Receivable / paid, of what the wallet is below zero."""
    if amount <= 0:
        return Refused(Reason.NOTHING if owed <= 0 else Reason.AMOUNT, amount, max(owed, 0))
    if amount > owed:
        return Refused(Reason.OWED, amount, max(owed, 0))
    return Post(org, Entry.INVOICE, (Line(INVOICES, PAID, amount),), f"issue:{act.ref}", act.why, act.by)


def paid(invoice: Invoice, account: str, act: Act) -> Post:
    """Bank / receivable: what it was for is available again."""
    line = Line(bank(account), INVOICES, invoice.amount)
    return Post(invoice.org, Entry.INVOICE_PAID, (line,), f"invoice:{invoice.number}:paid", act.why or act.ref, act.by)


def written_off(invoice: Invoice, approved_by: str, act: Act) -> Post | Refused:
    """Bad debt / receivable. Two persons: who asks and who approves."""
    if not act.by or not act.why:
        return Refused(Reason.WHY)
    if not approved_by or approved_by == act.by:
        return Refused(Reason.SECOND_PERSON)
    line = Line(BAD_DEBT, INVOICES, invoice.amount)
    by = f"{act.by}, approved by {approved_by}"
    return Post(invoice.org, Entry.WRITE_OFF, (line,), f"invoice:{invoice.number}:written-off", act.why, by)
