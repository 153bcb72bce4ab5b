"""Money paid in: posting templates. Each returns what to post, or why not; the Book decides whether it may be."""

import msgspec

from puyun.kit.money import TOPUP_MAX
from puyun.ledger.chart import FEES, PAID, Entry, processor, tax
from puyun.ledger.command import Act, Post, Reason, Refused
from puyun.ledger.posting import Line


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """`amount` is credited; `tax` was collected on top of it, `fee` is what the processor keeps of both."""

    amount: int
    tax: int = 0
    area: str = ""
    fee: int = 0
    processor: str = "manual"


def top_up(org: int, payment: Payment, act: Act) -> Post | Refused:
    """Processor / paid, and processor / tax: the wallet gets what was paid for it, the authority its part."""
    if not (0 < payment.amount <= TOPUP_MAX and 0 <= payment.tax <= TOPUP_MAX) or bool(payment.tax) != bool(
        payment.area
    ):
        return Refused(Reason.AMOUNT, payment.amount, TOPUP_MAX)
    source = processor(payment.processor)
    lines = (Line(source, PAID, payment.amount),)
    if payment.tax:
        lines += (Line(source, tax(payment.area), payment.tax),)
    return Post(org, Entry.TOPUP, lines, act.ref, act.why, act.by)


def payment_fee(org: int, payment: Payment, act: Act) -> Post | Refused:
    """Fees / processor. The wallet is not touched: there is no hidden fee."""
    if not 0 < payment.fee <= payment.amount + payment.tax:
        return Refused(Reason.AMOUNT, payment.fee, payment.amount + payment.tax)
    line = Line(FEES, processor(payment.processor), payment.fee)
    return Post(org, Entry.FEE, (line,), f"{act.ref}:fee", act.why, act.by)
