"""Higher limits that members ask for."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "limit_wish",
        sa.Column("id", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("by", Id, nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("asked_at", Id, nullable=False),
        sa.Column("answered_at", Id),
        sa.Column("granted", Id),
        sa.Column("answer", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("answered_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("amount > 0 AND granted >= 0", name=op.f("ck_limit_wish_amount")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_limit_wish_org")),
        sa.ForeignKeyConstraint(["by"], ["user.id"], name=op.f("fk_limit_wish_by")),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("ix_limit_wish_org", "limit_wish", ["org", "id"])
    op.create_index(
        "uq_limit_wish_open",
        "limit_wish",
        ["org", "tier", "model", "metric"],
        unique=True,
        sqlite_where=sa.text("answered_at IS NULL"),
        postgresql_where=sa.text("answered_at IS NULL"),
    )
