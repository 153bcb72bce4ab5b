"""Papers and what they are made of. Registered in the one `schema.metadata`."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Table, Text, UniqueConstraint

from puyun.storage.schema import CLUSTERED, STRICT, Id, Money, When, metadata

paper = Table(
    "paper",
    metadata,
    Column("id", Id, primary_key=True),
    Column("series", Text, nullable=False),
    Column("number", Id, nullable=False),
    Column("org", Id, ForeignKey("organization.id"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("issued_at", When, nullable=False),
    Column("issued_by", Text, nullable=False),
    UniqueConstraint("series", "number"),
    UniqueConstraint("org", "subject"),
    CheckConstraint("series IN ('P', 'I') AND number > 0", name="number"),
    **STRICT,
)
"""An invoice word for word. `subject`: the payment's transaction or the ledger's invoice that it is of, so there is one."""

billing_details = Table(
    "billing_details",
    metadata,
    Column("org", Id, ForeignKey("organization.id"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("tax_id", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("changed_at", When, nullable=False),
    Column("changed_by", Text, nullable=False),
    **CLUSTERED,
)

auto_top_up = Table(
    "auto_top_up",
    metadata,
    Column("org", Id, ForeignKey("organization.id"), primary_key=True),
    Column("below", Money, nullable=False),
    Column("amount", Money, nullable=False),
    Column("month_max", Money, nullable=False),
    Column("changed_at", When, nullable=False),
    Column("changed_by", Text, nullable=False),
    CheckConstraint("below >= 0 AND amount > 0 AND month_max >= amount", name="amounts"),
    **CLUSTERED,
)

APPEND_ONLY = ("paper",)
