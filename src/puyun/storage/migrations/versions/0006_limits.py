"""The rule book of limits: dated rules with their reasons, and how some ended before their time."""

import sqlalchemy as sa
from alembic import op

from puyun.storage.migrations.append_only import append_only

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

SUBJECT = (
    "CASE scope WHEN 'key' THEN org IS NOT NULL AND key IS NOT NULL"
    " WHEN 'organization' THEN org IS NOT NULL AND key IS NULL AND model IS NULL"
    " WHEN 'organization_model' THEN org IS NOT NULL AND key IS NULL AND model IS NOT NULL"
    " WHEN 'tier' THEN org IS NULL AND key IS NULL AND tier IS NOT NULL AND model IS NULL"
    " WHEN 'tier_model' THEN org IS NULL AND key IS NULL AND tier IS NOT NULL AND model IS NOT NULL"
    " WHEN 'ip' THEN org IS NULL AND key IS NULL AND tier IS NULL AND model IS NULL"
    " ELSE 1 = 0 END"
)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "limit_rule",
        sa.Column("id", Id, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("org", Id, nullable=True),
        sa.Column("key", Id, nullable=True),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("amount", Id, nullable=True),
        sa.Column("burst", Id, nullable=True),
        sa.Column("starts", Id, nullable=False),
        sa.Column("ends", Id, nullable=True),
        _text("why"),
        _text("created_by"),
        sa.Column("created_at", Id, nullable=False),
        sa.CheckConstraint(SUBJECT, name=op.f("ck_limit_rule_subject")),
        sa.CheckConstraint("amount >= 0 AND burst > 0", name=op.f("ck_limit_rule_amount")),
        sa.CheckConstraint("ends > starts", name=op.f("ck_limit_rule_dates")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_limit_rule_org")),
        sa.ForeignKeyConstraint(["key"], ["api_key.id"], name=op.f("fk_limit_rule_key")),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_limit_rule_org"), "limit_rule", ["org"], unique=False)
    op.create_table(
        "limit_end",
        sa.Column("rule", Id, nullable=False),
        sa.Column("created_at", Id, nullable=False),
        _text("why"),
        _text("created_by"),
        sa.ForeignKeyConstraint(["rule"], ["limit_rule.id"], name=op.f("fk_limit_end_rule")),
        sa.PrimaryKeyConstraint("rule"),
        sqlite_strict=True,
    )
    op.execute("INSERT INTO revision (name, value) VALUES ('limits', 0) ON CONFLICT (name) DO NOTHING")
    append_only("limit_rule", "limit_end")
