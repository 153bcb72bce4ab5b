"""Wallets outside the hot path: balances, top-ups, credit limits."""

import msgspec
from sqlalchemy import Connection, Row, case, select, update

from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import TOPUP_MAX, WALLET_MAX, format_amount
from puyun.ledger.acts.grant import MoneyKind
from puyun.ledger.acts.topup import Payment
from puyun.ledger.command import Act, Posted
from puyun.storage import schema
from puyun.storage.money.grants import give_bonus
from puyun.storage.money.payments import take_payment
from puyun.storage.money.posting import balance_at

__all__ = ["MoneyKind", "WalletRow", "balance_at", "list_wallets", "load_wallet", "set_credit_limit", "top_up"]

_WALLET = schema.wallet


class WalletRow(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet as it stands, in nano-units. `available` is what new calls can be promised."""

    org: int
    currency: str
    paid: int
    bonus: int
    held: int
    credit_limit: int
    credit_peak: int
    open_invoices: int
    frozen: bool
    last: int

    @property
    def balance(self) -> int:
        return self.paid + self.bonus

    @property
    def available(self) -> int:
        return self.balance + self.credit_limit - self.open_invoices - self.held


def load_wallet(connection: Connection, org: int) -> WalletRow:
    """Raises PuyunError `organization_not_found` (404); every organization has a wallet."""
    row = connection.execute(select(_WALLET).where(_WALLET.c.org == org)).first()
    if row is None:
        raise PuyunError("organization_not_found", 404, "There is no such organization, and so no wallet.")
    return _wallet(row)


def list_wallets(connection: Connection) -> dict[int, WalletRow]:
    """Every wallet by organization."""
    return {row.org: _wallet(row) for row in connection.execute(select(_WALLET))}


def top_up(
    connection: Connection, org: int, amount: int, *, kind: MoneyKind, ref: str, note: str = "", now: Instant
) -> Posted:
    """Credit `amount` nano-units under the idempotency key `ref`; a repetition changes nothing and gets the first answer.

    Raises PuyunError `invalid_amount` (400), `reference_reused` (409, the same `ref` with another amount or kind),
    `wallet_limit` (409) or `organization_not_found` (404).
    """
    if not 0 < amount <= TOPUP_MAX:
        limit = format_amount(TOPUP_MAX)
        raise PuyunError("invalid_amount", 400, f"A top-up is above zero and at most {limit}.", param="amount")
    act = Act(ref, why=note)
    if kind is MoneyKind.PAID:
        return take_payment(connection, org, Payment(amount=amount), act, now)
    return give_bonus(connection, org, amount, act, now=now)


def set_credit_limit(connection: Connection, org: int, credit_limit: int) -> WalletRow:
    """How far an invoiced organization may go below zero. Raises `credit_in_use` (409) when it is that far already."""
    connection.execute(select(_WALLET.c.org).where(_WALLET.c.org == org).with_for_update())
    row = load_wallet(connection, org)
    if not 0 <= credit_limit <= WALLET_MAX:
        message = f"A credit limit is between zero and {format_amount(WALLET_MAX)}."
        raise PuyunError("invalid_amount", 400, message, param="credit_limit")
    used = row.credit_limit - row.available
    if used > credit_limit:
        message = f"{format_amount(used)} of the credit is in use; the limit cannot be lower until it is paid back."
        raise PuyunError("credit_in_use", 409, message, param="credit_limit")
    peak = case((_WALLET.c.credit_peak < credit_limit, credit_limit), else_=_WALLET.c.credit_peak)
    values = {"credit_limit": credit_limit, "credit_peak": peak}
    connection.execute(update(_WALLET).where(_WALLET.c.org == org).values(values))
    return load_wallet(connection, org)


def _wallet(row: Row[*tuple[object, ...]]) -> WalletRow:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    frozen = bool(fields.pop("frozen"))
    return WalletRow(frozen=frozen, **fields)
