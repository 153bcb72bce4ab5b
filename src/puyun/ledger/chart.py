"""Chart of accounts. Customers' accounts are liabilities of the operator; a credit raises them, a debit lowers them."""

from enum import StrEnum

PAID = "wallet.paid"
BONUS = "wallet.bonus"
PROMO = "promo"
GOODWILL = "goodwill"

WALLET_ACCOUNTS = (PAID, BONUS)


class Entry(StrEnum):
    """What a transaction is for."""

    USAGE = "usage"
    TOPUP = "topup"
    BONUS = "bonus"
    ADJUSTMENT = "adjustment"
    REFUND = "refund"


def revenue(tier: str) -> str:
    """Income account of a tier."""
    return f"revenue:{tier}"


def processor(name: str) -> str:
    """Asset account of whoever took the customer's payment; `manual` is the operator."""
    return f"processor:{name}"


ALLOWED: dict[Entry, frozenset[tuple[str, str]]] = {
    Entry.USAGE: frozenset({(PAID, "revenue"), (BONUS, "revenue")}),
    Entry.TOPUP: frozenset({("processor", PAID)}),
    Entry.BONUS: frozenset({(PROMO, BONUS)}),
    Entry.ADJUSTMENT: frozenset({(GOODWILL, PAID), (PAID, GOODWILL), (GOODWILL, BONUS), (BONUS, GOODWILL)}),
    Entry.REFUND: frozenset({("revenue", PAID), ("revenue", BONUS)}),
}
"""The (debit, credit) pairs each kind of transaction may post, by account family; the audit refuses any other."""


def family(account: str) -> str:
    """`revenue:flex` -> `revenue`."""
    return account.partition(":")[0]
