"""Budgets of keys, members and organizations, by day, by month and in all; events that they give notice by."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Small = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.execute("CREATE TEMPORARY TABLE kept_budget AS SELECT * FROM budget")
    op.drop_table("budget")
    _budgets()
    op.create_table(
        "event",
        sa.Column("id", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at", Id, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("org", "kind", "subject", name=op.f("uq_event_org_kind_subject")),
        sqlite_strict=True,
    )
    # a key's budget, for its whole life
    op.execute(
        "INSERT INTO budget (org, subject, number, period, hard, amount, since, created_at) "
        'SELECT k.org, 1, k.id, 3, 1, b."limit", 0, k.created_at '
        "FROM kept_budget AS b JOIN api_key AS k ON k.id = b.key"
    )
    op.execute(
        "INSERT INTO budget_window (budget, number, spent, held) "
        "SELECT n.id, 0, b.spent, b.held FROM kept_budget AS b JOIN budget AS n ON n.number = b.key"
    )
    op.execute("DROP TABLE kept_budget")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE budget_window SET (fillfactor = 50)")


def _budgets() -> None:
    op.create_table(
        "budget",
        sa.Column("id", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("subject", Small, nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("period", Small, nullable=False),
        sa.Column("hard", Small, nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("since", Id, nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("created_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("ended_at", Id, nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_budget_amount")),
        sa.CheckConstraint("subject BETWEEN 1 AND 3 AND period BETWEEN 1 AND 3", name=op.f("ck_budget_codes")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_budget_org")),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("uq_budget_place"),
        "budget",
        ["org", "subject", "number", "period", "hard"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "budget_window",
        sa.Column("budget", Id, nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("spent", Id, nullable=False),
        sa.Column("held", Id, nullable=False),
        sa.CheckConstraint("spent >= 0 AND held >= 0", name=op.f("ck_budget_window_signs")),
        sa.ForeignKeyConstraint(["budget"], ["budget.id"], name=op.f("fk_budget_window_budget")),
        sa.PrimaryKeyConstraint("budget", "number"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
