"""Credit that the operator gives, and how it runs out: posting templates, and the rule by which lots are used up.

Bonus comes in lots. Whatever takes bonus takes it from the lot that ends soonest, of those the oldest; a lot without an
end comes last. Bonus that comes back by a refund is a lot of its own without an end.
"""

from collections.abc import Iterable
from enum import StrEnum
from heapq import heappop, heappush

import msgspec

from puyun.kit.clock import Instant
from puyun.kit.money import TOPUP_MAX
from puyun.ledger.chart import BONUS, GOODWILL, PAID, PROMO, SLA, SUSPENSE, Entry
from puyun.ledger.command import Act, Post, Reason, Refused
from puyun.ledger.posting import Line


class MoneyKind(StrEnum):
    """Paid money came from the organization, bonus from the operator; bonus is used first."""

    PAID = "paid"
    BONUS = "bonus"


class CodeKind(StrEnum):
    """A gift becomes bonus; what was sold becomes paid money."""

    GIFT = "gift"
    SOLD = "sold"


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A redeem code as it is kept."""

    id: int
    kind: CodeKind
    amount: int
    currency: str
    expires_at: Instant | None = None
    used_by: int | None = None


def bonus(org: int, amount: int, act: Act) -> Post | Refused:
    """Promo / bonus."""
    if not 0 < amount <= TOPUP_MAX:
        return Refused(Reason.AMOUNT, amount, TOPUP_MAX)
    return Post(org, Entry.BONUS, (Line(PROMO, BONUS, amount),), act.ref, act.why, act.by)


def redeem(org: int, code: Code, currency: str, *, by: str, now: Instant) -> Post | Refused:
    """Promo / bonus for a gift, suspense / paid for a code that was sold. Its idempotency key is the code's own."""
    if code.used_by is not None:
        return Refused(Reason.USED)
    if code.expires_at is not None and code.expires_at <= now:
        return Refused(Reason.EXPIRED)
    if code.currency != currency:
        return Refused(Reason.CURRENCY)
    gift = code.kind is CodeKind.GIFT
    line = Line(PROMO, BONUS, code.amount) if gift else Line(SUSPENSE, PAID, code.amount)
    return Post(org, Entry.REDEEM, (line,), code_ref(code.id), f"{code.kind} code {code.id}", by)


def code_ref(code: int) -> str:
    """The idempotency key of a code's use."""
    return f"code:{code}"


def sla_credit(org: int, amount: int, kind: MoneyKind, objective: str, act: Act) -> Post | Refused:
    """SLA / bonus or paid, once for each period and objective; `act.ref` is the period, `act.why` the evidence."""
    if not 0 < amount <= TOPUP_MAX:
        return Refused(Reason.AMOUNT, amount, TOPUP_MAX)
    if not act.why:
        return Refused(Reason.WHY)
    line = Line(SLA, BONUS if kind is MoneyKind.BONUS else PAID, amount)
    return Post(org, Entry.SLA, (line,), sla_ref(act.ref, objective), act.why, act.by)


def sla_ref(period: str, objective: str) -> str:
    """The idempotency key of the credit for one objective in one period."""
    return f"sla:{period}:{objective}"


def adjustment(org: int, amount: int, kind: MoneyKind, act: Act) -> Post | Refused:
    """Goodwill / paid or bonus, or for an amount below zero the reverse. Who and why are not optional."""
    if not 0 < abs(amount) <= TOPUP_MAX:
        return Refused(Reason.AMOUNT, amount, TOPUP_MAX)
    if not act.by or not act.why:
        return Refused(Reason.WHY)
    account = PAID if kind is MoneyKind.PAID else BONUS
    line = Line(GOODWILL, account, amount) if amount > 0 else Line(account, GOODWILL, -amount)
    return Post(org, Entry.ADJUSTMENT, (line,), act.ref, act.why, act.by)


def agreed(amount: int, act: Act, approved_by: str, above: int) -> Act | Refused:
    """What somebody gives or takes by hand, more than `above` of it (0: any amount) only with a second person's word."""
    if approved_by and approved_by != act.by:
        return msgspec.structs.replace(act, by=f"{act.by}, approved by {approved_by}")
    if above and abs(amount) > above:
        return Refused(Reason.SECOND_PERSON)
    return act


class Lot(msgspec.Struct, frozen=True):
    """Bonus that came in transaction `number`; `rest` of `amount` is left."""

    number: int
    amount: int
    rest: int
    expires_at: Instant | None = None


def expiry(org: int, lot: Lot, available: int, now: Instant) -> Post | Refused:
    """Bonus / promo: what is left of a lot, and not what is held (I21). One posting a lot, so the rest stays for good."""
    if lot.expires_at is None or lot.expires_at > now:
        return Refused(Reason.NOTHING)
    amount = min(lot.rest, available)
    if amount <= 0:
        return Refused(Reason.NOTHING, lot.rest, available)
    return Post(org, Entry.EXPIRY, (Line(BONUS, PROMO, amount),), expiry_ref(lot.number), "expired")


def expiry_ref(number: int) -> str:
    """The idempotency key of a lot's end."""
    return f"lot:{number}:expiry"


def expired_lot(entry: Entry, ref: str) -> int:
    """The lot that an expiry cuts off; 0 for any other transaction."""
    return int(ref.split(":")[1]) if entry is Entry.EXPIRY else 0


class Move(msgspec.Struct, frozen=True):
    """How a transaction changed bonus. `lot`: the one that an expiry cuts, 0 where the rule decides."""

    number: int
    amount: int
    expires_at: Instant | None = None
    lot: int = 0


def remaining(moves: Iterable[Move]) -> list[Lot]:
    """What is left of each lot after all moves of one wallet, in the order of its journal.

    Raises ValueError when more was taken than there was.
    """
    amounts: dict[int, int] = {}
    rests: dict[int, int] = {}
    ends: dict[int, Instant | None] = {}
    order: list[tuple[bool, int, int]] = []
    for move in moves:
        if move.amount > 0:
            amounts[move.number] = amounts.get(move.number, 0) + move.amount
            rests[move.number] = rests.get(move.number, 0) + move.amount
            ends[move.number] = move.expires_at
            heappush(order, (move.expires_at is None, move.expires_at or 0, move.number))
            continue
        taken = -move.amount
        if move.lot:
            taken = _take(rests, move.lot, taken)
        while taken and order:
            number = order[0][2]
            taken = _take(rests, number, taken)
            if not rests[number]:
                heappop(order)
        if taken:
            raise ValueError(f"transaction {move.number} takes {taken} more bonus than there was")
    return [Lot(number, amounts[number], rest, ends[number]) for number, rest in rests.items()]


def _take(rests: dict[int, int], number: int, amount: int) -> int:
    """Take from one lot; returns what it did not have."""
    taken = min(rests.get(number, 0), amount)
    rests[number] = rests.get(number, 0) - taken
    return amount - taken
