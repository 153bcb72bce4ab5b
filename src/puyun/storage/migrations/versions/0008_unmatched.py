"""Payments of which nobody knows whom they are for."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "unmatched_payment",
        sa.Column("processor", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("org", Id, nullable=True),
        sa.Column("received_at", Id, nullable=False),
        sa.Column("ended_at", Id, nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_unmatched_payment_amount")),
        sa.CheckConstraint("state IN ('open', 'matched', 'returned')", name=op.f("ck_unmatched_payment_state")),
        sa.CheckConstraint("(org IS NOT NULL) = (state = 'matched')", name=op.f("ck_unmatched_payment_matched")),
        sa.PrimaryKeyConstraint("processor", "ref"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_unmatched_payment_org"), "unmatched_payment", ["org"], unique=False)
