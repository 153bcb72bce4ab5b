"""Letters about events, the watch over balances, webhooks and their deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Small = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _events()
    _letters()
    _webhooks()


def _events() -> None:
    """What happened before is history: nobody gets a letter about it."""
    op.add_column("event", sa.Column("told_at", Id, nullable=True))
    op.execute("UPDATE event SET told_at = at")
    op.execute("UPDATE event SET kind = 'budget.reached' WHERE kind = 'budget'")
    op.create_index("ix_event_org", "event", ["org", "id"], unique=False)
    untold = sa.text("told_at IS NULL")
    op.create_index("ix_event_untold", "event", ["id"], unique=False, sqlite_where=untold, postgresql_where=untold)


def _letters() -> None:
    op.create_table(
        "balance_watch",
        sa.Column("org", Id, nullable=False),
        sa.Column("threshold", Id, nullable=True),
        sa.Column("low", Small, nullable=False),
        sa.Column("empty", Small, nullable=False),
        sa.Column("falls", Id, server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("threshold > 0", name=op.f("ck_balance_watch_threshold")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_balance_watch_org")),
        sa.PrimaryKeyConstraint("org"),
        sqlite_strict=True,
    )
    op.create_table(
        "mail_choice",
        sa.Column("org", Id, nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("wanted", Small, nullable=False),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_mail_choice_org")),
        sa.ForeignKeyConstraint(["user"], ["user.id"], name=op.f("fk_mail_choice_user")),
        sa.PrimaryKeyConstraint("org", "user", "kind"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mail_language",
        sa.Column("user", Id, nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["user.id"], name=op.f("fk_mail_language_user")),
        sa.PrimaryKeyConstraint("user"),
        sqlite_strict=True,
    )
    op.create_table(
        "event_mail",
        sa.Column("event", Id, nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.Column("at", Id, nullable=False),
        sa.PrimaryKeyConstraint("event", "user"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_event_mail_user", "event_mail", ["user", "at"], unique=False)


def _webhooks() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("before", sa.LargeBinary(), nullable=True),
        sa.Column("before_until", Id, nullable=True),
        sa.Column("status", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("failing_since", Id, nullable=True),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("created_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("deleted_at", Id, nullable=True),
        sa.CheckConstraint("status IN ('active', 'paused', 'disabled')", name=op.f("ck_webhook_status")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_webhook_org")),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index("ix_webhook_org", "webhook", ["org"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("webhook", Id, nullable=False),
        sa.Column("event", Id, nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("tries", Id, server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", Id, nullable=True),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("tried_at", Id, nullable=True),
        sa.Column("took_ms", Id, nullable=True),
        sa.Column("code", Small, nullable=True),
        sa.Column("answer", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("error", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint(
            "status IN ('waiting', 'delivered', 'failed', 'cancelled')", name=op.f("ck_delivery_status")
        ),
        sa.ForeignKeyConstraint(["webhook"], ["webhook.id"], name=op.f("fk_delivery_webhook")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("webhook", "event", name=op.f("uq_delivery_webhook_event")),
        sqlite_strict=True,
    )
    op.create_index("ix_delivery_org", "delivery", ["org", "id"], unique=False)
    op.create_index("ix_delivery_created_at", "delivery", ["created_at"], unique=False)
    due = sa.text("next_at IS NOT NULL")
    op.create_index(
        "ix_delivery_next_at", "delivery", ["next_at"], unique=False, sqlite_where=due, postgresql_where=due
    )
