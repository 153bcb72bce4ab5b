"""Acts on money: lots of bonus, redeem codes, refunds, payouts, chargebacks, invoices; who posted; seals."""

import sqlalchemy as sa
from alembic import op

from puyun.storage.migrations.append_only import append_only

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Small = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")

APPEND_ONLY = ("posting_key", "refund", "seal", "seal_part")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default=sa.text("''"), nullable=False)


def upgrade() -> None:
    op.add_column("wallet", sa.Column("credit_peak", Id, server_default=sa.text("0"), nullable=False))
    op.execute("UPDATE wallet SET credit_peak = credit_limit")
    op.add_column("posting_key", _text("created_by"))
    _credit()
    _back()
    _seals()
    op.execute("INSERT INTO counter (name, value) VALUES ('invoice', 0)")
    op.execute(
        "INSERT INTO lot (org, number, amount, why) SELECT org, number, amount, note FROM journal WHERE entry = 'bonus'"
    )
    append_only(*APPEND_ONLY)


def _credit() -> None:
    op.create_table(
        "lot",
        sa.Column("org", Id, nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("expires_at", Id, nullable=True),
        sa.Column("closed_at", Id, nullable=True),
        _text("why"),
        sa.CheckConstraint("amount > 0", name=op.f("ck_lot_amount")),
        sa.PrimaryKeyConstraint("org", "number"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_lot_expires_at"), "lot", ["expires_at"], unique=False)
    op.create_table(
        "redeem_code",
        sa.Column("id", Id, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("expires_at", Id, nullable=True),
        sa.Column("bonus_days", Id, nullable=True),
        _text("note"),
        _text("created_by"),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("used_by", Id, nullable=True),
        sa.Column("used_at", Id, nullable=True),
        sa.CheckConstraint("kind IN ('gift', 'sold')", name=op.f("ck_redeem_code_kind")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_redeem_code_amount")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash", name=op.f("uq_redeem_code_hash")),
        sqlite_strict=True,
    )
    op.create_table(
        "invoice",
        sa.Column("number", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("issued_at", Id, nullable=False),
        sa.Column("due_at", Id, nullable=True),
        sa.Column("ended_at", Id, nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_invoice_amount")),
        sa.CheckConstraint("state IN ('open', 'paid', 'written_off')", name=op.f("ck_invoice_state")),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("org", "ref", name=op.f("uq_invoice_org_ref")),
        sqlite_strict=True,
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", Id, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _back() -> None:
    op.create_table(
        "refund",
        sa.Column("org", Id, nullable=False),
        sa.Column("call", Id, nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("from_bonus", Id, nullable=False),
        sa.CheckConstraint("amount > 0 AND from_bonus >= 0 AND from_bonus <= amount", name=op.f("ck_refund_amount")),
        sa.PrimaryKeyConstraint("org", "call", "number"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "payout",
        sa.Column("id", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("processor", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        _text("why"),
        _text("created_by"),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("ended_at", Id, nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payout_amount")),
        sa.CheckConstraint("state IN ('held', 'paid', 'cancelled')", name=op.f("ck_payout_state")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("org", "ref", name=op.f("uq_payout_org_ref")),
        sqlite_strict=True,
    )
    op.create_table(
        "dispute",
        sa.Column("org", Id, nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("processor", sa.Text(), nullable=False),
        sa.Column("amount", Id, nullable=False),
        sa.Column("debt", Id, nullable=False),
        sa.Column("fee", Id, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", Id, nullable=False),
        sa.Column("ended_at", Id, nullable=True),
        sa.CheckConstraint("amount > 0 AND debt >= 0 AND debt <= amount AND fee >= 0", name=op.f("ck_dispute_amount")),
        sa.CheckConstraint("state IN ('open', 'won', 'lost')", name=op.f("ck_dispute_state")),
        sa.PrimaryKeyConstraint("org", "ref"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def _seals() -> None:
    op.create_table(
        "seal",
        sa.Column("id", Id, nullable=False),
        sa.Column("upto", Id, nullable=False),
        sa.Column("layout", Small, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", Id, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_table(
        "seal_part",
        sa.Column("org", Id, nullable=False),
        sa.Column("seal", Id, nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("records", Id, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["seal"], ["seal.id"], name=op.f("fk_seal_part_seal")),
        sa.PrimaryKeyConstraint("org", "seal"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
