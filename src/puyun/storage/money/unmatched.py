"""Payments of which nobody knows whom they are for. Nothing is credited by guess: somebody matches them, or sends them back."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, insert, select, update

from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import TOPUP_MAX
from puyun.ledger.acts.topup import Payment
from puyun.ledger.command import Act, Reason, Refused
from puyun.storage import schema
from puyun.storage.money import tables
from puyun.storage.money.payments import take_payment
from puyun.storage.money.posting import read, refusal, reused, unknown

_UNMATCHED = tables.unmatched_payment


class Unmatched(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `unmatched_payment`: `state` is open, matched or returned; `ref` is the processor's id of the payment."""

    processor: str
    ref: str
    currency: str
    amount: int
    state: str
    note: str
    by: str
    org: int | None
    received_at: Instant
    ended_at: Instant | None


def keep_payment(connection: Connection, payment: Payment, currency: str, *, act: Act, now: Instant) -> Unmatched:
    """Write down what came in; `act.ref` is the processor's id. A repetition changes nothing: of two at once the second
    waits for the lock that `writing` takes, and finds the first.

    Raises PuyunError `invalid_amount`, `invalid_reference` (400) or `reference_reused` (409: with another amount).
    """
    if not 0 < payment.amount <= TOPUP_MAX:
        raise refusal(Refused(Reason.AMOUNT, payment.amount, TOPUP_MAX))
    if not act.ref:
        raise PuyunError("invalid_reference", 400, "A payment needs the id that its processor gave it.", param="id")
    first = _find(connection, payment.processor, act.ref)
    if first is not None:
        if (first.amount, first.currency) != (payment.amount, currency):
            raise reused(act.ref)
        return first
    values = {
        "processor": payment.processor,
        "ref": act.ref,
        "currency": currency,
        "amount": payment.amount,
        "state": "open",
        "note": act.why,
        "by": act.by,
        "received_at": now,
    }
    return read(connection.execute(insert(_UNMATCHED).values(values).returning(_UNMATCHED)).one(), Unmatched)


def match_payment(connection: Connection, processor: str, org: int, *, act: Act, now: Instant) -> Unmatched:
    """Credit it to an organization, as a payment under the key `PROCESSOR:REF`. Repeated, it gets the first answer.

    Raises PuyunError `payment_not_found` (404), `already_ended`, `currency_differs` or `wallet_limit` (409).
    """
    row = _open(connection, processor, act.ref, "matched")
    if row.state == "matched":
        if row.org != org:
            raise refusal(Refused(Reason.ENDED))
        return row
    currency = connection.execute(select(schema.wallet.c.currency).where(schema.wallet.c.org == org)).scalar()
    if currency is None:
        raise PuyunError("organization_not_found", 404, "There is no such organization.")
    if currency != row.currency:
        text = f"The payment is in {row.currency}, the wallet is not. Return it, or match it with another."
        raise PuyunError("currency_differs", 409, text)
    payment = Payment(amount=row.amount, processor=processor)
    take_payment(connection, org, payment, Act(f"{processor}:{row.ref}", act.by, act.why or row.note), now)
    return _end(connection, row, {"state": "matched", "org": org, "by": act.by, "ended_at": now})


def return_payment(connection: Connection, processor: str, *, act: Act, now: Instant) -> Unmatched:
    """It went back to who paid it. Raises PuyunError `payment_not_found` (404), `already_ended` (409), `reason_missing` (400)."""
    row = _open(connection, processor, act.ref, "returned")
    if row.state == "returned":
        return row
    if not act.by or not act.why:
        raise refusal(Refused(Reason.WHY))
    return _end(connection, row, {"state": "returned", "note": act.why, "by": act.by, "ended_at": now})


def list_unmatched(connection: Connection, *, ended: bool = False) -> Sequence[Unmatched]:
    """The oldest first; with `ended`, also those that were matched or returned."""
    query = select(_UNMATCHED).order_by(_UNMATCHED.c.received_at, _UNMATCHED.c.processor, _UNMATCHED.c.ref)
    found = query if ended else query.where(_UNMATCHED.c.state == "open")
    return [read(row, Unmatched) for row in connection.execute(found)]


def _find(connection: Connection, processor: str, ref: str) -> Unmatched | None:
    query = select(_UNMATCHED).where(_UNMATCHED.c.processor == processor, _UNMATCHED.c.ref == ref)
    row = connection.execute(query).first()
    return None if row is None else read(row, Unmatched)


def _open(connection: Connection, processor: str, ref: str, becoming: str) -> Unmatched:
    row = _find(connection, processor, ref)
    if row is None:
        raise unknown("payment", f"{processor} {ref}")
    if row.state not in ("open", becoming):
        raise refusal(Refused(Reason.ENDED))
    return row


def _end(connection: Connection, row: Unmatched, values: dict[str, object]) -> Unmatched:
    mine = (_UNMATCHED.c.processor == row.processor, _UNMATCHED.c.ref == row.ref)
    return read(
        connection.execute(update(_UNMATCHED).where(*mine).values(values).returning(_UNMATCHED)).one(), Unmatched
    )
