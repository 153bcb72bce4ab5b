"""Performing an act: lock the wallet, let the Book decide, write what it decided, answer repetitions as at first."""

from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, case, func, insert, select, update

from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import format_amount
from puyun.ledger.book import Book, Wallet
from puyun.ledger.chart import BONUS, PAID
from puyun.ledger.command import Post, Posted, Reason, Refused, Reserve
from puyun.ledger.posting import Line
from puyun.storage import schema

_WALLET = schema.wallet
_JOURNAL = schema.journal
_KEY = schema.posting_key

Shape = TypeVar("Shape")


def locked(connection: Connection, org: int) -> Wallet:
    """The wallet as it stands, its row locked until the transaction ends. Raises `organization_not_found` (404)."""
    row = connection.execute(select(_WALLET).where(_WALLET.c.org == org).with_for_update()).first()
    if row is None:
        raise PuyunError("organization_not_found", 404, "There is no such organization, and so no wallet.")
    return Wallet(
        row.org, row.paid, row.bonus, row.held, row.credit_limit, row.open_invoices, bool(row.frozen), row.last
    )


def posted(connection: Connection, org: int, ref: str) -> Posted | None:
    """The first answer to what was posted under an idempotency key."""
    number = connection.execute(select(_KEY.c.number).where(_KEY.c.org == org, _KEY.c.ref == ref)).scalar()
    return None if number is None else Posted(number, balance_at(connection, org, number))


def perform(connection: Connection, wallet: Wallet, act: Post | Reserve | Refused, now: Instant) -> Posted | None:
    """Decide and write; None for what makes no posting. `wallet` is locked.

    Raises the PuyunError of a refusal, and `reference_reused` (409) when the key stands on another posting.
    """
    if isinstance(act, Refused):
        raise refusal(act)
    if isinstance(act, Post):
        if not act.ref:
            raise PuyunError("invalid_reference", 400, "A posting needs an idempotency key.", param="id")
        first = posted(connection, act.org, act.ref)
        if first is not None:
            if _lines(connection, act.org, first.transaction) != act.lines:
                raise reused(act.ref)
            return first
    book = Book({wallet.org: wallet})
    outcome = book.apply(act)
    if isinstance(outcome, Refused):
        raise refusal(outcome)
    _write(connection, book, wallet, now)
    return outcome if isinstance(outcome, Posted) else None


def refusal(refused: Refused) -> PuyunError:
    """What a person is told."""
    code, status, message = _REFUSALS[refused.reason]
    figures = {"needed": format_amount(refused.needed), "available": format_amount(refused.available)}
    return PuyunError(code, status, message.format_map(figures), details=figures)


def reused(ref: str) -> PuyunError:
    message = f"The idempotency key {ref!r} was used for another posting. Use a new one, or repeat that one exactly."
    return PuyunError("reference_reused", 409, message, param="id")


def unknown(kind: str, name: str) -> PuyunError:
    return PuyunError(f"{kind}_not_found", 404, f"There is no {kind} {name!r}. Check it with `list`.")


def read(row: Row[*tuple[Any, ...]], shape: type[Shape]) -> Shape:
    """A row as the struct that names its columns."""
    fields = {str(name): value for name, value in row._mapping.items()}  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    return msgspec.convert(fields, shape)


def balance_at(connection: Connection, org: int, number: int) -> int:
    """paid + bonus after the wallet's transaction `number`, from the journal alone."""
    mine = (PAID, BONUS)
    credited = case((_JOURNAL.c.credit.in_(mine), _JOURNAL.c.amount), else_=0)
    debited = case((_JOURNAL.c.debit.in_(mine), _JOURNAL.c.amount), else_=0)
    total = select(func.sum(credited - debited)).where(_JOURNAL.c.org == org, _JOURNAL.c.number <= number)
    return int(connection.execute(total).scalar() or 0)


def _lines(connection: Connection, org: int, number: int) -> tuple[Line, ...]:
    query = select(_JOURNAL.c.debit, _JOURNAL.c.credit, _JOURNAL.c.amount)
    rows = connection.execute(query.where(_JOURNAL.c.org == org, _JOURNAL.c.number == number).order_by(_JOURNAL.c.line))
    return tuple(Line(row.debit, row.credit, row.amount) for row in rows)


def _write(connection: Connection, book: Book, wallet: Wallet, now: Instant) -> None:
    for transaction in book.transactions:
        head = {"org": transaction.org, "number": transaction.number, "ref": transaction.ref}
        lines: list[dict[str, object]] = [
            dict[str, object](head)
            | msgspec.structs.asdict(line)
            | {"line": place, "entry": transaction.entry, "at": now, "note": transaction.note}
            for place, line in enumerate(transaction.lines)
        ]
        connection.execute(insert(_JOURNAL), lines)
        connection.execute(insert(_KEY).values(**head, created_by=transaction.by))
    values = {
        "paid": wallet.paid,
        "bonus": wallet.bonus,
        "held": wallet.held,
        "open_invoices": wallet.open_invoices,
        "last": wallet.last,
    }
    connection.execute(update(_WALLET).where(_WALLET.c.org == wallet.org).values(values))


_REFUSALS: dict[Reason, tuple[str, int, str]] = {
    Reason.CREDIT: ("insufficient_credit", 409, "It takes {needed}, and {available} can be taken."),
    Reason.FROZEN: ("wallet_frozen", 409, "The wallet is frozen while a payment is disputed. End the dispute first."),
    Reason.LIMIT: ("wallet_limit", 409, "A wallet has an upper bound; this would take it {needed} above what it has."),
    Reason.AMOUNT: ("invalid_amount", 400, "An amount of {needed} cannot be meant. Its limit is {available}."),
    Reason.WHY: ("reason_missing", 400, "This is kept with who did it and why. Name both."),
    Reason.NOTHING: ("nothing_to_do", 409, "There is nothing to post. Nothing was changed."),
    Reason.CHARGED: ("refund_above_charge", 409, "{needed} is more than the {available} left of the call's charge."),
    Reason.PAID_IN: ("payout_above_payments", 409, "{needed} is more than the {available} that came that way."),
    Reason.OWED: ("invoice_above_debt", 409, "{needed} is more than the {available} that is owed."),
    Reason.ENDED: ("already_ended", 409, "It has ended already, in another way. See it with `list`."),
    Reason.USED: ("code_used", 409, "The code was used by another organization. A code is used once."),
    Reason.EXPIRED: ("code_expired", 409, "The code has expired. Make a new one: puyun redeem create AMOUNT"),
    Reason.CURRENCY: ("currency_differs", 409, "The code is in another currency than the wallet. Make one in it."),
    Reason.SECOND_PERSON: ("second_person_missing", 409, "It takes two persons. Name who approved with --approved-by."),
    Reason.NO_HOLD: ("not_held", 409, "{needed} is not put aside in this wallet."),
}
