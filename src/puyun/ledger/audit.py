"""The audit's findings, and what a journal that was added up must come to: the pure part. Storage adds up.

| check  | rule                                                                                             |
|--------|--------------------------------------------------------------------------------------------------|
| A1     | lines are allowed by the chart                                                                   |
| A2     | wallet.paid and wallet.bonus are the signed sums of their lines (I6)                             |
| A3     | wallet.held is the sum of the open holds and of the payouts on their way (I5)                    |
| A4     | available, bonus and held are not below zero (I4)                                                |
| A13    | open_invoices is the sum of the open invoices and the balance of its account; disputes likewise  |
"""

from collections.abc import Iterable, Iterator

import msgspec

from puyun.ledger.book import Wallet
from puyun.ledger.chart import BONUS, DISPUTES, INVOICES, PAID, Entry
from puyun.ledger.posting import allowed


class Finding(msgspec.Struct, frozen=True):
    """One difference. `where` names the row: a wallet, a transaction, a call, a cell."""

    check: str
    where: str
    message: str


class Flow(msgspec.Struct, frozen=True):
    """What all lines of one kind in one wallet's journal come to; it may break every rule."""

    entry: str
    debit: str
    credit: str
    amount: int


class Derived(msgspec.Struct, frozen=True):
    """What other rows say a wallet should say: open holds and payouts, open invoices, debts of open disputes."""

    held: int = 0
    invoiced: int = 0
    disputed: int = 0


def not_allowed(flow: Flow) -> str | None:
    """Why the chart does not let such lines be."""
    if flow.entry not in set(Entry):
        return f"there is no kind of transaction {flow.entry!r}"
    if not allowed(Entry(flow.entry), flow.debit, flow.credit):
        return f"{flow.entry} may not debit {flow.debit} and credit {flow.credit}"
    return None


def balance(flows: Iterable[Flow], account: str) -> int:
    """Credits less debits of an account."""
    return sum((flow.credit == account) * flow.amount - (flow.debit == account) * flow.amount for flow in flows)


def wallet_differences(wallet: Wallet, flows: Iterable[Flow], derived: Derived) -> Iterator[tuple[str, str]]:
    """(check, message) for each figure of a wallet's row that differs from what it is derived from."""
    flows = list(flows)
    owed = -balance(flows, INVOICES)
    figures = (
        ("A2", "paid", wallet.paid, balance(flows, PAID)),
        ("A2", "bonus", wallet.bonus, balance(flows, BONUS)),
        ("A3", "held", wallet.held, derived.held),
        ("A13", "open_invoices", wallet.open_invoices, owed),
        ("A13", "the balance of receivable:invoices", owed, derived.invoiced),
        ("A13", "the balance of receivable:disputes", -balance(flows, DISPUTES), derived.disputed),
    )
    for check, what, stored, expected in figures:
        if stored != expected:
            yield check, f"{what} is {stored}, derived {expected}, difference {stored - expected}"
    for what in ("available", "bonus", "held"):
        if getattr(wallet, what) < 0:
            yield "A4", f"{what} is {getattr(wallet, what)}"
