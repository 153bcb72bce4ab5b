"""Access tokens of the control API, and the outcomes of its writes."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Small = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "access_token",
        sa.Column("id", Id, nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("expires_at", Id, nullable=False),
        sa.Column("used_at", Id, nullable=True),
        sa.Column("revoked_at", Id, nullable=True),
        sa.ForeignKeyConstraint(["user"], ["user.id"], name="fk_access_token_user"),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name="fk_access_token_org"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash", name="uq_access_token_hash"),
        sqlite_strict=True,
    )
    op.create_index("ix_access_token_user", "access_token", ["user"], unique=False)
    op.create_index("ix_access_token_org", "access_token", ["org"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("token", Id, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("status", Small, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.ForeignKeyConstraint(["token"], ["access_token.id"], name="fk_idempotency_token"),
        sa.PrimaryKeyConstraint("token", "key"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"], unique=False)
