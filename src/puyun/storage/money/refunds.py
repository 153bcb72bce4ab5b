"""Giving back what a call was charged: refunds and price corrections."""

import logging

import msgspec
from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from puyun.kit.clock import Clock, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import request_id
from puyun.ledger.acts import giveback
from puyun.ledger.acts.giveback import Charged
from puyun.ledger.command import Act, Post, Posted, Refused
from puyun.ledger.posting import effect
from puyun.storage import schema
from puyun.storage.engine import writing
from puyun.storage.ledger.codes import TIER_NAME
from puyun.storage.ledger.store import StoreUnavailableError
from puyun.storage.money import tables
from puyun.storage.money.posting import locked, perform, posted, read, refusal, reused, unknown

log = logging.getLogger("puyun.refunds")

_REFUND = tables.refund
_JOURNAL = schema.journal


class RefundRow(msgspec.Struct, frozen=True, kw_only=True):
    """What transaction `number` gave back of a call."""

    number: int
    amount: int
    from_bonus: int
    entry: str
    at: Instant
    note: str


def refund_call(connection: Connection, org: int, call: int, amount: int | None, *, act: Act, now: Instant) -> Posted:
    """Give back `amount` of a call's charge, or what is left of it. A repetition (same `act.ref`) changes nothing.

    Raises PuyunError `call_not_found` (404), `refund_above_charge` or `reference_reused` (409), `reason_missing` or
    `invalid_amount` (400).
    """
    ref = f"{request_id(org, call)}:refund:{act.ref}"
    first = _first(connection, org, ref, amount)
    if first is not None:
        return first
    charged = load_charged(connection, org, call)
    kept = msgspec.structs.replace(act, ref=ref)
    return _give_back(connection, call, giveback.refund(charged, charged.left if amount is None else amount, kept), now)


def refund_unrecorded(engine: Engine, clock: Clock, org: int, call: int) -> None:
    """Give back the charge of a call that was found written after its caller had been told that it failed.

    Raises StoreUnavailableError.
    """
    act = Act("unrecorded", by="puyun", why="The answer was not completed: its charge was not known to be written.")
    try:
        with writing(engine) as connection:
            refund_call(connection, org, call, None, act=act, now=clock.now())
    except SQLAlchemyError as error:
        raise StoreUnavailableError(str(error.__cause__ or error)) from error
    except PuyunError as refused:
        log.exception("give_back_refused", extra={"request": request_id(org, call), "why": refused.code})


def correct_call(connection: Connection, org: int, call: int, should: int, *, act: Act, now: Instant) -> Posted:
    """Give back what a call was charged above `should`; `act.ref` numbers the revision of the prices.

    Raises PuyunError as `refund_call` does, and `nothing_to_do` (409) when it was not overcharged.
    """
    ref = f"{request_id(org, call)}:rerate:{act.ref}"
    first = _first(connection, org, ref, None)
    if first is not None:
        return first
    charged = load_charged(connection, org, call)
    return _give_back(
        connection, call, giveback.correction(charged, should, msgspec.structs.replace(act, ref=ref)), now
    )


def load_charged(connection: Connection, org: int, call: int) -> Charged:
    """What a call was charged and what of it went back. Its wallet is locked. Raises `call_not_found` (404)."""
    locked(connection, org)
    record = schema.usage_record
    row = connection.execute(select(record).where(record.c.org == org, record.c.call == call)).first()
    if row is None:
        raise unknown("call", request_id(org, call))
    given = select(func.sum(_REFUND.c.amount), func.sum(_REFUND.c.from_bonus))
    returned, returned_bonus = connection.execute(given.where(_REFUND.c.org == org, _REFUND.c.call == call)).one()
    return Charged(
        org=org,
        tier=TIER_NAME[row.tier],
        charge=row.charge,
        from_bonus=row.from_bonus,
        returned=int(returned or 0),
        returned_bonus=int(returned_bonus or 0),
    )


def list_refunds(connection: Connection, org: int, call: int) -> list[RefundRow]:
    """What was given back of a call, oldest first."""
    head = (_JOURNAL.c.org == _REFUND.c.org) & (_JOURNAL.c.number == _REFUND.c.number) & (_JOURNAL.c.line == 0)
    query = select(_REFUND, _JOURNAL.c.entry, _JOURNAL.c.at, _JOURNAL.c.note).join(_JOURNAL, head)
    mine = query.where(_REFUND.c.org == org, _REFUND.c.call == call).order_by(_REFUND.c.number)
    return [read(row, RefundRow) for row in connection.execute(mine)]


def _first(connection: Connection, org: int, ref: str, amount: int | None) -> Posted | None:
    locked(connection, org)
    first = posted(connection, org, ref)
    if first is not None and amount is not None:
        mine = select(_REFUND.c.amount).where(_REFUND.c.org == org, _REFUND.c.number == first.transaction)
        if connection.execute(mine).scalar() != amount:
            raise reused(ref)
    return first


def _give_back(connection: Connection, call: int, act: Post | Refused, now: Instant) -> Posted:
    if isinstance(act, Refused):
        raise refusal(act)
    answer = perform(connection, locked(connection, act.org), act, now)
    assert answer is not None
    change = effect(*act.lines)
    row = {
        "org": act.org,
        "call": call,
        "number": answer.transaction,
        "amount": change.paid + change.bonus,
        "from_bonus": change.bonus,
    }
    connection.execute(insert(_REFUND).values(row))
    return answer
