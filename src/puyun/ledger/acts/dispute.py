"""Chargebacks: a payment that the payer called back. The wallet is frozen while one is open. Posting templates."""

import msgspec

from puyun.kit.money import TOPUP_MAX
from puyun.ledger.chart import BAD_DEBT, DISPUTES, FEES, PAID, Entry, processor
from puyun.ledger.command import Act, Post, Reason, Refused
from puyun.ledger.posting import Line


class Dispute(msgspec.Struct, frozen=True, kw_only=True):
    """`debt` is the part of `amount` that the wallet could not cover."""

    org: int
    amount: int
    processor: str
    fee: int = 0
    debt: int = 0


def opened(dispute: Dispute, paid: int, available: int, act: Act) -> tuple[Post, Dispute] | Refused:
    """Paid / processor as far as the wallet goes, the rest receivable / processor; what it costs us, fees / processor.

    The wallet does not go below zero, bonus and held money are not touched (I4, I21).
    """
    if not (0 < dispute.amount <= TOPUP_MAX and 0 <= dispute.fee <= TOPUP_MAX):
        return Refused(Reason.AMOUNT, dispute.amount, TOPUP_MAX)
    covered = max(min(dispute.amount, paid, available), 0)
    found = msgspec.structs.replace(dispute, debt=dispute.amount - covered)
    by = processor(dispute.processor)
    parts = ((PAID, covered), (DISPUTES, found.debt), (FEES, dispute.fee))
    lines = tuple(Line(account, by, amount) for account, amount in parts if amount)
    return Post(dispute.org, Entry.CHARGEBACK, lines, opened_ref(act.ref), act.why, act.by), found


def won(dispute: Dispute, act: Act) -> Post:
    """The reverse of what `opened` took; its fee stays spent."""
    source = processor(dispute.processor)
    parts = ((PAID, dispute.amount - dispute.debt), (DISPUTES, dispute.debt))
    lines = tuple(Line(source, account, amount) for account, amount in parts if amount)
    return Post(dispute.org, Entry.CHARGEBACK_WON, lines, f"dispute:{act.ref}:won", act.why, act.by)


def lost(dispute: Dispute, act: Act) -> Post | Refused:
    """Bad debt / receivable: what the wallet could not cover is written off. Nothing to post when it covered all."""
    if not dispute.debt:
        return Refused(Reason.NOTHING)
    line = Line(BAD_DEBT, DISPUTES, dispute.debt)
    return Post(dispute.org, Entry.WRITE_OFF, (line,), f"dispute:{act.ref}:lost", act.why, act.by)


def opened_ref(ref: str) -> str:
    """The idempotency key under which a dispute took its money."""
    return f"dispute:{ref}"
