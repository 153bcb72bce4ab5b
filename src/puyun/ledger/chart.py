"""Chart of accounts. Organizations' accounts are liabilities of the operator; a credit raises them, a debit lowers them.

| account                | nature    | holds                                                            |
|------------------------|-----------|------------------------------------------------------------------|
| `wallet.paid`          | liability | what an organization paid and did not use                        |
| `wallet.bonus`         | liability | what it was given and did not use; spent first                   |
| `receivable:invoices`  | asset     | issued invoices that are not paid yet                            |
| `receivable:disputes`  | asset     | what a wallet could not cover when its payment was called back   |
| `processor:NAME`       | asset     | what whoever takes payments owes us; `manual` is the operator    |
| `bank:NAME`            | asset     | where invoices are paid to                                       |
| `revenue:TIER`         | income    | calls                                                            |
| `promo`, `sla`         | expense   | bonus given; credits for promises not kept                       |
| `goodwill`             | expense   | what the operator adjusts                                        |
| `fees`, `bad_debt`     | expense   | what processors keep; what will not be paid                      |
| `tax:AREA`             | liability | tax collected with top-ups                                       |
| `suspense`             | liability | money for codes that were sold, until its payment is matched     |
"""

from enum import StrEnum

PAID = "wallet.paid"
BONUS = "wallet.bonus"
INVOICES = "receivable:invoices"
DISPUTES = "receivable:disputes"
PROMO = "promo"
SLA = "sla"
GOODWILL = "goodwill"
FEES = "fees"
BAD_DEBT = "bad_debt"
SUSPENSE = "suspense"

WALLET_ACCOUNTS = (PAID, BONUS)


class Entry(StrEnum):
    """What a transaction is for."""

    USAGE = "usage"
    TOPUP = "topup"
    FEE = "fee"
    BONUS = "bonus"
    REDEEM = "redeem"
    SLA = "sla"
    ADJUSTMENT = "adjustment"
    EXPIRY = "expiry"
    REFUND = "refund"
    CORRECTION = "correction"
    PAYOUT = "payout"
    CHARGEBACK = "chargeback"
    CHARGEBACK_WON = "chargeback_won"
    INVOICE = "invoice"
    INVOICE_PAID = "invoice_paid"
    WRITE_OFF = "write_off"


def revenue(tier: str) -> str:
    """Income account of a tier."""
    return f"revenue:{tier}"


def processor(name: str) -> str:
    """Asset account of whoever took the payment; `manual` is the operator."""
    return f"processor:{name}"


def bank(name: str) -> str:
    """Asset account that invoices are paid to."""
    return f"bank:{name}"


def tax(area: str) -> str:
    """Liability account of a tax authority."""
    return f"tax:{area}"


ALLOWED: dict[Entry, frozenset[tuple[str, str]]] = {
    Entry.USAGE: frozenset({(PAID, "revenue"), (BONUS, "revenue")}),
    Entry.TOPUP: frozenset({("processor", PAID), ("processor", "tax")}),
    Entry.FEE: frozenset({(FEES, "processor")}),
    Entry.BONUS: frozenset({(PROMO, BONUS)}),
    Entry.REDEEM: frozenset({(PROMO, BONUS), (SUSPENSE, PAID)}),
    Entry.SLA: frozenset({(SLA, BONUS), (SLA, PAID)}),
    Entry.ADJUSTMENT: frozenset({(GOODWILL, PAID), (PAID, GOODWILL), (GOODWILL, BONUS), (BONUS, GOODWILL)}),
    Entry.EXPIRY: frozenset({(BONUS, PROMO)}),
    Entry.REFUND: frozenset({("revenue", PAID), ("revenue", BONUS)}),
    Entry.CORRECTION: frozenset({("revenue", PAID), ("revenue", BONUS)}),
    Entry.PAYOUT: frozenset({(PAID, "processor")}),
    Entry.CHARGEBACK: frozenset({(PAID, "processor"), ("receivable", "processor"), (FEES, "processor")}),
    Entry.CHARGEBACK_WON: frozenset({("processor", PAID), ("processor", "receivable")}),
    Entry.INVOICE: frozenset({("receivable", PAID)}),
    Entry.INVOICE_PAID: frozenset({("bank", "receivable")}),
    Entry.WRITE_OFF: frozenset({(BAD_DEBT, "receivable")}),
}
"""The (debit, credit) pairs each kind of transaction may post, by account family; the audit refuses any other."""


def family(account: str) -> str:
    """`revenue:flex` -> `revenue`."""
    return account.partition(":")[0]
