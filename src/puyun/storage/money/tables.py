"""What acts on money leave behind beside their postings. Registered in the one `schema.metadata`."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, LargeBinary, Table, Text, UniqueConstraint, text

from puyun.storage.schema import CLUSTERED, STRICT, Id, Money, Small, When, metadata


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


lot = Table(
    "lot",
    metadata,
    Column("org", Id, primary_key=True),
    Column("number", Id, primary_key=True),
    Column("amount", Money, nullable=False),
    Column("expires_at", When, index=True),
    Column("closed_at", When),
    _text("why"),
    CheckConstraint("amount > 0", name="amount"),
    **CLUSTERED,
)
"""Bonus that came in transaction `number`; `closed_at` is when what was left of it was cut off."""

redeem_code = Table(
    "redeem_code",
    metadata,
    Column("id", Id, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", Money, nullable=False),
    Column("expires_at", When),
    Column("bonus_days", Id),
    _text("note"),
    _text("created_by"),
    Column("created_at", When, nullable=False),
    Column("used_by", Id),
    Column("used_at", When),
    CheckConstraint("kind IN ('gift', 'sold')", name="kind"),
    CheckConstraint("amount > 0", name="amount"),
    **STRICT,
)

refund = Table(
    "refund",
    metadata,
    Column("org", Id, primary_key=True),
    Column("call", Id, primary_key=True),
    Column("number", Id, primary_key=True),
    Column("amount", Money, nullable=False),
    Column("from_bonus", Money, nullable=False),
    CheckConstraint("amount > 0 AND from_bonus >= 0 AND from_bonus <= amount", name="amount"),
    **CLUSTERED,
)
"""What transaction `number` gave back of a call's charge, `from_bonus` of it as bonus."""

payout = Table(
    "payout",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org", Id, nullable=False),
    Column("ref", Text, nullable=False),
    Column("amount", Money, nullable=False),
    Column("processor", Text, nullable=False),
    Column("state", Text, nullable=False),
    _text("why"),
    _text("created_by"),
    Column("created_at", When, nullable=False),
    Column("ended_at", When),
    UniqueConstraint("org", "ref"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("state IN ('held', 'paid', 'cancelled')", name="state"),
    **STRICT,
)
"""Money on its way back to who paid it; as long as it is `held` it is a part of wallet.held."""

dispute = Table(
    "dispute",
    metadata,
    Column("org", Id, primary_key=True),
    Column("ref", Text, primary_key=True),
    Column("processor", Text, nullable=False),
    Column("amount", Money, nullable=False),
    Column("debt", Money, nullable=False),
    Column("fee", Money, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", When, nullable=False),
    Column("ended_at", When),
    CheckConstraint("amount > 0 AND debt >= 0 AND debt <= amount AND fee >= 0", name="amount"),
    CheckConstraint("state IN ('open', 'won', 'lost')", name="state"),
    **CLUSTERED,
)
"""A chargeback. `debt` is what the wallet could not cover when it was opened."""

unmatched_payment = Table(
    "unmatched_payment",
    metadata,
    Column("processor", Text, primary_key=True),
    Column("ref", Text, primary_key=True),
    Column("currency", Text, nullable=False),
    Column("amount", Money, nullable=False),
    Column("state", Text, nullable=False),
    _text("note"),
    _text("by"),
    Column("org", Id, index=True),
    Column("received_at", When, nullable=False),
    Column("ended_at", When),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("state IN ('open', 'matched', 'returned')", name="state"),
    CheckConstraint("(org IS NOT NULL) = (state = 'matched')", name="matched"),
    **CLUSTERED,
)
"""Money that came in and says not for whom. It is in no journal, since a journal belongs to a wallet; matched, it is a
payment like any other under the key `PROCESSOR:REF`.
"""

invoice = Table(
    "invoice",
    metadata,
    Column("number", Id, primary_key=True),
    Column("org", Id, nullable=False),
    Column("ref", Text, nullable=False),
    Column("amount", Money, nullable=False),
    Column("state", Text, nullable=False),
    Column("issued_at", When, nullable=False),
    Column("due_at", When),
    Column("ended_at", When),
    UniqueConstraint("org", "ref"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("state IN ('open', 'paid', 'written_off')", name="state"),
    **STRICT,
)

counter = Table(
    "counter",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Id, nullable=False),
    **CLUSTERED,
)
"""Numbers without a gap: the row is locked by whoever takes the next one."""

seal = Table(
    "seal",
    metadata,
    Column("id", Id, primary_key=True),
    Column("upto", When, nullable=False),
    Column("layout", Small, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("sealed_at", When, nullable=False),
    **STRICT,
)
"""Everything before `upto`, which the seal before it does not cover; `hash` covers that seal too."""

seal_part = Table(
    "seal_part",
    metadata,
    Column("org", Id, primary_key=True),
    Column("seal", Id, ForeignKey("seal.id"), primary_key=True),
    Column("number", Id, nullable=False),
    Column("records", Id, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    **CLUSTERED,
)
"""One organization's part of a seal: its journal up to `number`, its records of the hours, and their hash."""

APPEND_ONLY = ("posting_key", "refund", "seal", "seal_part")
"""The database itself refuses to update or delete rows of these too (I3)."""
