"""Revoked price announcements, the operator's costs, keys that sign receipts, hashes of closed statements."""

import sqlalchemy as sa
from alembic import op

from puyun.storage.migrations.append_only import append_only

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

TABLES = ("price_revocation", "cost", "receipt_key", "statement")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "price_revocation",
        sa.Column("price", Id, nullable=False),
        sa.Column("created_at", Id, nullable=False),
        _text("created_by"),
        _text("reason"),
        sa.ForeignKeyConstraint(["price"], ["price.id"], name=op.f("fk_price_revocation_price")),
        sa.PrimaryKeyConstraint("price"),
        sqlite_strict=True,
    )
    op.create_table(
        "cost",
        sa.Column("id", Id, nullable=False),
        sa.Column("deployment", Id, nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("amount", Id, nullable=True),
        sa.Column("effective_from", Id, nullable=False),
        sa.Column("created_at", Id, nullable=False),
        _text("created_by"),
        _text("reason"),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_cost_amount")),
        sa.ForeignKeyConstraint(["deployment"], ["deployment.id"], name=op.f("fk_cost_deployment")),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_table(
        "receipt_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("public", sa.Text(), nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "statement",
        sa.Column("org", Id, nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("closed_at", Id, nullable=False),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_statement_org")),
        sa.PrimaryKeyConstraint("org", "month"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    append_only(*TABLES)
