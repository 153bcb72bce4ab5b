"""Invoices as issued, billing details, the rule of automatic top-ups."""

import sqlalchemy as sa
from alembic import op

from puyun.storage.migrations.append_only import append_only

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "paper",
        sa.Column("id", Id, nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("issued_at", Id, nullable=False),
        sa.Column("issued_by", sa.Text(), nullable=False),
        sa.CheckConstraint("series IN ('P', 'I') AND number > 0", name=op.f("ck_paper_number")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_paper_org")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("series", "number", name=op.f("uq_paper_series_number")),
        sa.UniqueConstraint("org", "subject", name=op.f("uq_paper_org_subject")),
        sqlite_strict=True,
    )
    op.create_table(
        "billing_details",
        sa.Column("org", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("tax_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("changed_at", Id, nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_billing_details_org")),
        sa.PrimaryKeyConstraint("org"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "auto_top_up",
        sa.Column("org", Id, nullable=False),
        sa.Column("below", Id, nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("month_max", Id, nullable=False),
        sa.Column("changed_at", Id, nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.CheckConstraint("below >= 0 AND amount > 0 AND month_max >= amount", name=op.f("ck_auto_top_up_amounts")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_auto_top_up_org")),
        sa.PrimaryKeyConstraint("org"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO counter (name, value) VALUES ('paper', 0)")
    append_only("paper")
