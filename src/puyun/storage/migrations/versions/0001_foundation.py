"""The first schema: who, what is sold, money, usage."""

import sqlalchemy as sa
from alembic import op

from puyun.storage.migrations.append_only import append_only

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Small = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "hold",
        sa.Column("org", Id, nullable=False),
        sa.Column("call", Id, nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("key", Id, nullable=False),
        sa.Column("owner", Id, nullable=False),
        sa.Column("model", Id, nullable=False),
        sa.Column("tier", Small, nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_hold_amount")),
        sa.PrimaryKeyConstraint("org", "call"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "journal",
        sa.Column("org", Id, nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("line", Small, nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("debit", sa.Text(), nullable=False),
        sa.Column("credit", sa.Text(), nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("at", Id, nullable=False),
        sa.Column("ref", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("note", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_journal_amount")),
        sa.CheckConstraint("debit <> credit", name=op.f("ck_journal_sides")),
        sa.PrimaryKeyConstraint("org", "number", "line"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "model",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("context_length", Id, nullable=False),
        sa.Column(
            "max_output",
            Id,
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column("vendor", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("label", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("created", Id, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name=op.f("uq_model_name")),
        sqlite_strict=True,
    )
    op.create_table(
        "organization",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tiers", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("revision", Id, nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended')", name=op.f("ck_organization_status")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name=op.f("uq_organization_name")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("organization", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_organization_revision"), ["revision"], unique=False)

    op.create_table(
        "owner",
        sa.Column("id", Id, nullable=False),
        sa.Column("slot", Id, nullable=False),
        sa.Column("started_at", Id, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_table(
        "posting_key",
        sa.Column("org", Id, nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.PrimaryKeyConstraint("org", "ref"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "provider",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("api_key", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name=op.f("uq_provider_name")),
        sqlite_strict=True,
    )
    op.create_table(
        "revision",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", Id, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup_hour",
        sa.Column("org", Id, nullable=False),
        sa.Column("hour", Id, nullable=False),
        sa.Column("key", Id, nullable=False),
        sa.Column("model", Id, nullable=False),
        sa.Column("tier", Small, nullable=False),
        sa.Column("calls", Id, server_default=sa.text("0"), nullable=False),
        sa.Column(
            "failures",
            Id,
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column("input", Id, server_default=sa.text("0"), nullable=False),
        sa.Column(
            "cached_input",
            Id,
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column(
            "cache_write",
            Id,
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column("audio", Id, server_default=sa.text("0"), nullable=False),
        sa.Column("output", Id, server_default=sa.text("0"), nullable=False),
        sa.Column(
            "reasoning",
            Id,
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column(
            "audio_output",
            Id,
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column("charge", Id, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("org", "hour", "key", "model", "tier"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "signin_failure",
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("failures", Id, nullable=False),
        sa.Column("locked_until", Id, nullable=False),
        sa.PrimaryKeyConstraint("subject"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_record",
        sa.Column("org", Id, nullable=False),
        sa.Column("call", Id, nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("key", Id, nullable=False),
        sa.Column("model", Id, nullable=False),
        sa.Column("deployment", Id, nullable=False),
        sa.Column("tier", Small, nullable=False),
        sa.Column("tier_requested", Small, nullable=False),
        sa.Column("status", Small, nullable=False),
        sa.Column("flags", Small, nullable=False),
        sa.Column("input", Id, nullable=False),
        sa.Column("cached_input", Id, nullable=False),
        sa.Column("cache_write", Id, nullable=False),
        sa.Column("audio", Id, nullable=False),
        sa.Column("output", Id, nullable=False),
        sa.Column("reasoning", Id, nullable=False),
        sa.Column("audio_output", Id, nullable=False),
        sa.Column("exact", Id, nullable=False),
        sa.Column("charge", Id, nullable=False),
        sa.Column("from_bonus", Id, nullable=False),
        sa.Column("held", Id, nullable=False),
        sa.Column("balance_after", Id, nullable=False),
        sa.Column("price_ids", sa.Text(), nullable=False),
        sa.Column("attempts", Small, nullable=False),
        sa.Column("queue_ms", Id, nullable=False),
        sa.Column("ttft_ms", Id, nullable=False),
        sa.Column("total_ms", Id, nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "charge >= 0 AND from_bonus >= 0 AND from_bonus <= charge", name=op.f("ck_usage_record_charge")
        ),
        sa.PrimaryKeyConstraint("org", "call"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "user",
        sa.Column("id", Id, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "operator",
            Small,
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column("created_at", Id, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email", name=op.f("uq_user_email")),
        sqlite_strict=True,
    )
    op.create_table(
        "api_key",
        sa.Column("id", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("member", Id, nullable=True),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("models", sa.Text(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("ips", sa.Text(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("expires_at", Id, nullable=True),
        sa.Column("revoked_at", Id, nullable=True),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("revision", Id, nullable=False),
        sa.ForeignKeyConstraint(["member"], ["user.id"], name=op.f("fk_api_key_member")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_api_key_org")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash", name=op.f("uq_api_key_hash")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("api_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_key_org"), ["org"], unique=False)
        batch_op.create_index(batch_op.f("ix_api_key_revision"), ["revision"], unique=False)

    op.create_table(
        "deployment",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider", Id, nullable=False),
        sa.Column("upstream_model", sa.Text(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("seats", Id, nullable=False),
        sa.Column("rpm", Id, nullable=True),
        sa.Column("itpm", Id, nullable=True),
        sa.Column("otpm", Id, nullable=True),
        sa.ForeignKeyConstraint(["provider"], ["provider.id"], name=op.f("fk_deployment_provider")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name", name=op.f("uq_deployment_name")),
        sqlite_strict=True,
    )
    op.create_table(
        "membership",
        sa.Column("org", Id, nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer')", name=op.f("ck_membership_role")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_membership_org")),
        sa.ForeignKeyConstraint(["user"], ["user.id"], name=op.f("fk_membership_user")),
        sa.PrimaryKeyConstraint("org", "user"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("membership", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_membership_user"), ["user"], unique=False)

    op.create_table(
        "price",
        sa.Column("id", Id, nullable=False),
        sa.Column("model", Id, nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("meter", sa.Text(), nullable=False),
        sa.Column("amount", Id, nullable=True),
        sa.Column("effective_from", Id, nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("created_by", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_price_amount")),
        sa.ForeignKeyConstraint(["model"], ["model.id"], name=op.f("fk_price_model")),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    with op.batch_alter_table("price", schema=None) as batch_op:
        batch_op.create_index("ix_price_cell", ["model", "tier", "meter", "effective_from"], unique=False)

    op.create_table(
        "session",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("seen_at", Id, nullable=False),
        sa.Column("expires_at", Id, nullable=False),
        sa.Column("agent", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["user.id"], name=op.f("fk_session_user")),
        sa.PrimaryKeyConstraint("hash"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_session_user"), ["user"], unique=False)

    op.create_table(
        "wallet",
        sa.Column("org", Id, nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("paid", Id, server_default=sa.text("0"), nullable=False),
        sa.Column("bonus", Id, server_default=sa.text("0"), nullable=False),
        sa.Column("held", Id, server_default=sa.text("0"), nullable=False),
        sa.Column(
            "credit_limit",
            Id,
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column(
            "open_invoices",
            Id,
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column(
            "frozen",
            Small,
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column("last", Id, server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(
            "bonus >= 0 AND held >= 0 AND credit_limit >= 0 AND open_invoices >= 0", name=op.f("ck_wallet_signs")
        ),
        sa.CheckConstraint("paid + bonus + credit_limit - open_invoices - held >= 0", name=op.f("ck_wallet_available")),
        sa.CheckConstraint(
            "paid <= 1000000000000000000 AND bonus <= 1000000000000000000", name=op.f("ck_wallet_bounds")
        ),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_wallet_org")),
        sa.PrimaryKeyConstraint("org"),
        sqlite_strict=True,
    )
    op.create_table(
        "budget",
        sa.Column("key", Id, nullable=False),
        sa.Column("limit", Id, nullable=False),
        sa.Column("spent", Id, server_default=sa.text("0"), nullable=False),
        sa.Column("held", Id, server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("spent >= 0 AND held >= 0", name=op.f("ck_budget_signs")),
        sa.ForeignKeyConstraint(["key"], ["api_key.id"], name=op.f("fk_budget_key")),
        sa.PrimaryKeyConstraint("key"),
        sqlite_strict=True,
    )
    op.create_table(
        "model_deployment",
        sa.Column("model", Id, nullable=False),
        sa.Column("position", Id, nullable=False),
        sa.Column("deployment", Id, nullable=False),
        sa.ForeignKeyConstraint(["deployment"], ["deployment.id"], name=op.f("fk_model_deployment_deployment")),
        sa.ForeignKeyConstraint(["model"], ["model.id"], name=op.f("fk_model_deployment_model")),
        sa.PrimaryKeyConstraint("model", "position"),
        sa.UniqueConstraint("model", "deployment", name=op.f("uq_model_deployment_model_deployment")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    append_only("journal", "usage_record", "price")
    op.execute("INSERT INTO revision (name, value) VALUES ('catalog', 0), ('identity', 0)")
    if op.get_bind().dialect.name == "postgresql":
        # Rows that every commit rewrites: room on their page, so that no index has to follow; and a table that fills
        # and empties with the calls is swept by its turnover, not by its size.
        for table in ("wallet", "budget", "rollup_hour"):
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")
        op.execute("ALTER TABLE hold SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000)")
