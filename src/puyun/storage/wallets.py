"""Wallets outside the hot path: top-ups, limits, balances. The Book decides; this loads, writes and repeats answers."""

from enum import StrEnum

import msgspec
from sqlalchemy import Connection, Row, case, func, insert, select, update

from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import TOPUP_MAX, WALLET_MAX, format_amount
from puyun.ledger.book import Book, Wallet
from puyun.ledger.chart import BONUS, PAID, PROMO, Entry, processor
from puyun.ledger.command import Post, Posted, Refused
from puyun.ledger.posting import Line
from puyun.storage import schema

_WALLET = schema.wallet
_JOURNAL = schema.journal


class MoneyKind(StrEnum):
    """Paid money came from the customer, bonus from the operator's promotion; bonus is spent first."""

    PAID = "paid"
    BONUS = "bonus"


class WalletRow(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet as it stands, in nano-units. `available` is what new calls can be promised."""

    org: int
    currency: str
    paid: int
    bonus: int
    held: int
    credit_limit: int
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
    if not ref:
        raise PuyunError("invalid_reference", 400, "A top-up needs an idempotency key.", param="id")
    line = _top_up_line(kind, amount)
    row = load_wallet(connection, org)
    first = _first_answer(connection, org, ref, line)
    if first is not None:
        return first
    wallet = Wallet(org, row.paid, row.bonus, row.held, row.credit_limit, row.open_invoices, row.frozen, row.last)
    book = Book({org: wallet})
    entry = Entry.TOPUP if kind is MoneyKind.PAID else Entry.BONUS
    outcome = book.apply(Post(org, entry, (line,), ref, note))
    match outcome:
        case Posted():
            _write(connection, book, wallet, now)
            return outcome
        case Refused():
            message = f"The wallet may hold {format_amount(WALLET_MAX)}; this would take it above."
            raise PuyunError("wallet_limit", 409, message, param="amount")
        case _:
            raise AssertionError(outcome)


def set_credit_limit(connection: Connection, org: int, credit_limit: int) -> WalletRow:
    """How far an invoiced organization may go below zero. Raises `credit_in_use` (409) when it is that far already."""
    row = load_wallet(connection, org)
    if not 0 <= credit_limit <= WALLET_MAX:
        message = f"A credit limit is between zero and {format_amount(WALLET_MAX)}."
        raise PuyunError("invalid_amount", 400, message, param="credit_limit")
    used = row.credit_limit - row.available
    if used > credit_limit:
        message = f"{format_amount(used)} of the credit is in use; the limit cannot be lower until it is paid back."
        raise PuyunError("credit_in_use", 409, message, param="credit_limit")
    connection.execute(update(_WALLET).where(_WALLET.c.org == org).values(credit_limit=credit_limit))
    return load_wallet(connection, org)


def _wallet(row: Row[*tuple[object, ...]]) -> WalletRow:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    frozen = bool(fields.pop("frozen"))
    return WalletRow(frozen=frozen, **fields)


def _top_up_line(kind: MoneyKind, amount: int) -> Line:
    if kind is MoneyKind.PAID:
        return Line(processor("manual"), PAID, amount)
    return Line(PROMO, BONUS, amount)


def _first_answer(connection: Connection, org: int, ref: str, line: Line) -> Posted | None:
    keys = schema.posting_key
    number = connection.execute(select(keys.c.number).where(keys.c.org == org, keys.c.ref == ref)).scalar()
    if number is None:
        return None
    stored = connection.execute(
        select(_JOURNAL.c.debit, _JOURNAL.c.credit, _JOURNAL.c.amount).where(
            _JOURNAL.c.org == org, _JOURNAL.c.number == number
        )
    ).all()
    if [tuple(row) for row in stored] != [(line.debit, line.credit, line.amount)]:
        message = (
            f"The idempotency key {ref!r} was used for another posting. Use a new one, or repeat that one exactly."
        )
        raise PuyunError("reference_reused", 409, message, param="id")
    return Posted(number, balance_at(connection, org, number))


def balance_at(connection: Connection, org: int, number: int) -> int:
    """paid + bonus after the wallet's transaction `number`, from the journal alone."""
    mine = (PAID, BONUS)
    credited = case((_JOURNAL.c.credit.in_(mine), _JOURNAL.c.amount), else_=0)
    debited = case((_JOURNAL.c.debit.in_(mine), _JOURNAL.c.amount), else_=0)
    total = select(func.sum(credited - debited)).where(_JOURNAL.c.org == org, _JOURNAL.c.number <= number)
    return int(connection.execute(total).scalar() or 0)


def _write(connection: Connection, book: Book, wallet: Wallet, now: Instant) -> None:
    for transaction in book.transactions:
        common = {"org": transaction.org, "number": transaction.number, "entry": transaction.entry, "at": now}
        connection.execute(
            insert(_JOURNAL),
            [
                {
                    **common,
                    **msgspec.structs.asdict(line),
                    "line": place,
                    "ref": transaction.ref,
                    "note": transaction.note,
                }
                for place, line in enumerate(transaction.lines)
            ],
        )
        key = {"org": transaction.org, "ref": transaction.ref, "number": transaction.number}
        connection.execute(insert(schema.posting_key).values(key))
    values = {"paid": wallet.paid, "bonus": wallet.bonus, "last": wallet.last}
    connection.execute(update(_WALLET).where(_WALLET.c.org == wallet.org).values(values))
