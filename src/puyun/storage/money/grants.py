"""Credit that the operator gives: bonus in lots that may expire, SLA credits, adjustments."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, and_, case, func, insert, or_, select, update

from puyun.kit.clock import Instant
from puyun.ledger.acts import grant
from puyun.ledger.acts.grant import Lot, MoneyKind, Move, expired_lot, remaining
from puyun.ledger.chart import BONUS, Entry
from puyun.ledger.command import Act, Post, Posted, Refused
from puyun.ledger.posting import effect
from puyun.storage import schema
from puyun.storage.money import tables
from puyun.storage.money.posting import locked, perform

_LOT = tables.lot
_JOURNAL = schema.journal


def give_bonus(
    connection: Connection, org: int, amount: int, act: Act, *, expires_at: Instant | None = None, now: Instant
) -> Posted:
    """A lot of bonus. Raises PuyunError as `take_payment` does."""
    return give(connection, org, grant.bonus(org, amount, act), now, expires_at=expires_at)


def give_sla_credit(
    connection: Connection, org: int, amount: int, *, kind: MoneyKind, objective: str, act: Act, now: Instant
) -> Posted:
    """Once for each period (`act.ref`) and objective; `act.why` is the evidence.

    Raises PuyunError `reason_missing`, `invalid_amount` (400), `reference_reused` (409: credited with another amount).
    """
    return give(connection, org, grant.sla_credit(org, amount, kind, objective, act), now)


def adjust(connection: Connection, org: int, amount: int, *, kind: MoneyKind, act: Act, now: Instant) -> Posted:
    """What the operator adds, or takes within what is available.

    Raises PuyunError `insufficient_credit`, `reference_reused`, `wallet_limit` (409), `invalid_amount`,
    `reason_missing` (400).
    """
    return give(connection, org, grant.adjustment(org, amount, kind, act), now)


def give(
    connection: Connection, org: int, act: Post | Refused, now: Instant, *, expires_at: Instant | None = None
) -> Posted:
    """Post, and write down the lot if bonus came in by it."""
    wallet = locked(connection, org)
    before = wallet.last
    answer = perform(connection, wallet, act, now)
    assert answer is not None
    assert isinstance(act, Post)
    amount = effect(*act.lines).bonus
    if amount > 0 and answer.transaction > before:
        row = {"org": org, "number": answer.transaction, "amount": amount, "expires_at": expires_at, "why": act.note}
        connection.execute(insert(_LOT).values(row))
    return answer


def lots(connection: Connection, org: int) -> list[Lot]:
    """What is left of each lot, in the order in which they came. Raises ValueError when the journal took more."""
    return remaining(moves(connection, org))


def moves(connection: Connection, org: int) -> Iterator[Move]:
    """How each transaction of a wallet changed its bonus, in order."""
    sign = case((_JOURNAL.c.credit == BONUS, _JOURNAL.c.amount), else_=-_JOURNAL.c.amount)
    query = (
        select(
            _JOURNAL.c.number,
            func.min(_JOURNAL.c.entry).label("entry"),
            func.min(_JOURNAL.c.ref).label("ref"),
            func.sum(sign).label("amount"),
            func.min(_LOT.c.expires_at).label("expires_at"),
        )
        .select_from(_JOURNAL.outerjoin(_LOT, and_(_LOT.c.org == _JOURNAL.c.org, _LOT.c.number == _JOURNAL.c.number)))
        .where(_JOURNAL.c.org == org, or_(_JOURNAL.c.debit == BONUS, _JOURNAL.c.credit == BONUS))
        .group_by(_JOURNAL.c.number)
        .order_by(_JOURNAL.c.number)
    )
    for row in connection.execute(query):
        entry = Entry(row.entry)
        yield Move(row.number, int(row.amount), row.expires_at, expired_lot(entry, row.ref))


def lots_due(connection: Connection, now: Instant) -> list[tuple[int, int]]:
    """(organization, number) of lots that have expired and are not closed."""
    query = select(_LOT.c.org, _LOT.c.number).where(_LOT.c.expires_at <= now, _LOT.c.closed_at.is_(None))
    return [(row.org, row.number) for row in connection.execute(query.order_by(_LOT.c.org, _LOT.c.number))]


def expire_lot(connection: Connection, org: int, number: int, now: Instant) -> int:
    """Cut off what is left of a lot; returns how much. While a hold keeps all of it, the lot stays open."""
    wallet = locked(connection, org)
    lot = next(lot for lot in lots(connection, org) if lot.number == number)
    act = grant.expiry(org, lot, min(wallet.available, wallet.bonus), now)
    if isinstance(act, Refused) and lot.rest:
        return 0
    taken = 0
    if isinstance(act, Post):
        perform(connection, wallet, act, now)
        taken = sum(line.amount for line in act.lines)
    place = and_(_LOT.c.org == org, _LOT.c.number == number)
    connection.execute(update(_LOT).where(place).values(closed_at=now))
    return taken


def described_lots(connection: Connection, org: int) -> Sequence[tuple[Lot, str]]:
    """Lots with something left, and why they were given."""
    whys = {
        row.number: row.why for row in connection.execute(select(_LOT.c.number, _LOT.c.why).where(_LOT.c.org == org))
    }
    return [(lot, whys.get(lot.number, "")) for lot in lots(connection, org) if lot.rest]
