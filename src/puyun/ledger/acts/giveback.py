"""Money given back: refunds and corrections of a call, and payouts. Posting templates."""

import msgspec

from puyun.ledger.chart import BONUS, PAID, Entry, processor, revenue
from puyun.ledger.command import Act, Post, Reason, Refused, Reserve
from puyun.ledger.posting import Line


class Charged(msgspec.Struct, frozen=True, kw_only=True):
    """What a call was charged, and what of it was given back already; of both how much was bonus."""

    org: int
    tier: str
    charge: int
    from_bonus: int
    returned: int = 0
    returned_bonus: int = 0

    @property
    def left(self) -> int:
        return self.charge - self.returned


def refund(charged: Charged, amount: int, act: Act) -> Post | Refused:
    """Revenue / paid and bonus, in the split that was charged; all refunds of a call come to at most its charge."""
    return _give_back(Entry.REFUND, charged, amount, act)


def correction(charged: Charged, should: int, act: Act) -> Post | Refused:
    """What a call was overcharged, `should` being what it should have cost. Too little is not collected afterwards."""
    if should < 0:
        return Refused(Reason.AMOUNT, should)
    over = charged.left - should
    if over <= 0:
        return Refused(Reason.NOTHING, should, charged.left)
    return _give_back(Entry.CORRECTION, charged, over, act)


def _give_back(entry: Entry, charged: Charged, amount: int, act: Act) -> Post | Refused:
    if not act.by or not act.why:
        return Refused(Reason.WHY)
    if amount <= 0:
        return Refused(Reason.AMOUNT, amount, charged.left)
    if amount > charged.left:
        return Refused(Reason.CHARGED, amount, charged.left)
    bonus = (charged.returned + amount) * charged.from_bonus // charged.charge - charged.returned_bonus
    source = revenue(charged.tier)
    lines: tuple[Line, ...] = ()
    if bonus:
        lines += (Line(source, BONUS, bonus),)
    if amount > bonus:
        lines += (Line(source, PAID, amount - bonus),)
    return Post(charged.org, entry, lines, act.ref, act.why, act.by)


class Payout(msgspec.Struct, frozen=True, kw_only=True):
    """Paid money on its way back to who paid it, through the processor that took it."""

    org: int
    amount: int
    processor: str


def payout(asked: Payout, paid: int, paid_in: int, act: Act) -> Reserve | Refused:
    """Put aside what is to be paid out: of paid money only, and no more than was paid in through that processor.

    `paid`: what the wallet has of it; `paid_in`: came through the processor and has not gone back.
    """
    if not act.by or not act.why:
        return Refused(Reason.WHY)
    if asked.amount <= 0:
        return Refused(Reason.AMOUNT, asked.amount)
    if asked.amount > paid:
        return Refused(Reason.CREDIT, asked.amount, max(paid, 0))
    if asked.amount > paid_in:
        return Refused(Reason.PAID_IN, asked.amount, max(paid_in, 0))
    return Reserve(asked.org, asked.amount)


def paid_out(payout: Payout, act: Act) -> Post:
    """Paid / processor, and the hold of the payout ends in the same step."""
    line = Line(PAID, processor(payout.processor), payout.amount)
    return Post(payout.org, Entry.PAYOUT, (line,), act.ref, act.why, act.by, released=payout.amount)


def payout_cancelled(payout: Payout) -> Reserve:
    """The hold of the payout returns."""
    return Reserve(payout.org, -payout.amount)
