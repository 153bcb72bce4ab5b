"""Payments: what a processor took for a wallet, its tax and its fee, and what goes back the same way."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, case, func, insert, select, update

from puyun.kit.clock import Instant
from puyun.ledger.acts import giveback, topup
from puyun.ledger.acts.topup import Payment
from puyun.ledger.chart import PAID, processor
from puyun.ledger.command import Act, Posted, Reason, Refused
from puyun.notices.kinds import Nano, TopUpCredited
from puyun.storage import schema
from puyun.storage.money import tables
from puyun.storage.money.posting import locked, perform, read, refusal, reused, unknown
from puyun.storage.notify.events import happened

_PAYOUT = tables.payout
_JOURNAL = schema.journal


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `payout`: `state` is held, paid or cancelled."""

    id: int
    org: int
    ref: str
    amount: int
    processor: str
    state: str
    why: str
    created_by: str
    created_at: Instant
    ended_at: Instant | None


def take_payment(connection: Connection, org: int, payment: Payment, act: Act, now: Instant) -> Posted:
    """Credit a payment, and post the processor's fee beside it. Repeated, it gets the first answer.

    Raises PuyunError `invalid_amount` (400), `reference_reused` or `wallet_limit` (409), `organization_not_found` (404).
    """
    wallet = locked(connection, org)
    last = wallet.last
    answer = perform(connection, wallet, topup.top_up(org, payment, act), now)
    if payment.fee:
        perform(connection, wallet, topup.payment_fee(org, payment, act), now)
    assert answer is not None
    if answer.transaction > last:
        _credited(connection, org, payment, answer, ref=act.ref, now=now)
    return answer


def _credited(connection: Connection, org: int, payment: Payment, answer: Posted, *, ref: str, now: Instant) -> None:
    currency = connection.execute(select(schema.wallet.c.currency).where(schema.wallet.c.org == org)).scalar_one()
    amounts = {"amount": Nano(payment.amount), "balance": Nano(answer.balance)}
    payload = TopUpCredited(**amounts, currency=currency, reference=ref)
    happened(connection, org, payload, subject=str(answer.transaction), now=now)


def ask_payout(connection: Connection, org: int, amount: int, name: str, *, act: Act, now: Instant) -> Payout:
    """Put paid money aside that is to go back through processor `name`.

    Raises PuyunError `insufficient_credit`, `payout_above_payments`, `wallet_frozen` or `reference_reused` (409),
    `invalid_amount` or `reason_missing` (400).
    """
    wallet = locked(connection, org)
    row = connection.execute(select(_PAYOUT).where(_PAYOUT.c.org == org, _PAYOUT.c.ref == act.ref)).first()
    if row is not None:
        first = read(row, Payout)
        if (first.amount, first.processor) != (amount, name):
            raise reused(act.ref)
        return first
    asked = giveback.Payout(org=org, amount=amount, processor=name)
    perform(connection, wallet, giveback.payout(asked, wallet.paid, _paid_in(connection, org, name), act), now)
    values = {
        "org": org,
        "ref": act.ref,
        "amount": amount,
        "processor": name,
        "state": "held",
        "why": act.why,
        "created_by": act.by,
        "created_at": now,
    }
    return read(connection.execute(insert(_PAYOUT).values(values).returning(_PAYOUT)).one(), Payout)


def end_payout(connection: Connection, payout: int, *, paid: bool, act: Act, now: Instant) -> Payout:
    """The money went out, or stays. Raises PuyunError `payout_not_found` (404), `already_ended` (409)."""
    org = connection.execute(select(_PAYOUT.c.org).where(_PAYOUT.c.id == payout)).scalar()
    if org is None:
        raise unknown("payout", str(payout))
    wallet = locked(connection, org)
    row = read(connection.execute(select(_PAYOUT).where(_PAYOUT.c.id == payout)).one(), Payout)
    state = "paid" if paid else "cancelled"
    if row.state == state:
        return row
    if row.state != "held":
        raise refusal(Refused(Reason.ENDED))
    asked = giveback.Payout(org=org, amount=row.amount, processor=row.processor)
    kept = Act(f"payout:{payout}:paid", act.by, act.why or row.why)
    perform(connection, wallet, giveback.paid_out(asked, kept) if paid else giveback.payout_cancelled(asked), now)
    values = {"state": state, "ended_at": now}
    ended = update(_PAYOUT).where(_PAYOUT.c.id == payout).values(values).returning(_PAYOUT)
    return read(connection.execute(ended).one(), Payout)


def list_payouts(connection: Connection, org: int | None) -> Sequence[Payout]:
    """Newest first."""
    query = select(_PAYOUT).order_by(_PAYOUT.c.id.desc())
    found = query if org is None else query.where(_PAYOUT.c.org == org)
    return [read(row, Payout) for row in connection.execute(found)]


def _paid_in(connection: Connection, org: int, name: str) -> int:
    """What came through a processor and has not gone back."""
    account = processor(name)
    came = case((_JOURNAL.c.debit == account, _JOURNAL.c.amount), else_=0)
    went = case((_JOURNAL.c.credit == account, _JOURNAL.c.amount), else_=0)
    between = ((_JOURNAL.c.debit == account) & (_JOURNAL.c.credit == PAID)) | (
        (_JOURNAL.c.debit == PAID) & (_JOURNAL.c.credit == account)
    )
    return int(connection.execute(select(func.sum(came - went)).where(_JOURNAL.c.org == org, between)).scalar() or 0)
