"""Second steps of a sign-in, recovery codes, passkeys."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLUSTERED = {"sqlite_strict": True, "sqlite_with_rowid": False}


def upgrade() -> None:
    op.create_table(
        "second_step",
        sa.Column("user", Id, autoincrement=False, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("confirmed_at", Id, nullable=True),
        sa.Column("last_step", Id, server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["user.id"]),
        sa.PrimaryKeyConstraint("user"),
        **CLUSTERED,
    )
    op.create_table(
        "recovery_code",
        sa.Column("user", Id, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["user"], ["user.id"]),
        sa.PrimaryKeyConstraint("user", "hash"),
        **CLUSTERED,
    )
    op.create_table(
        "pending_sign_in",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.Column("expires_at", Id, nullable=False),
        sa.ForeignKeyConstraint(["user"], ["user.id"]),
        sa.PrimaryKeyConstraint("hash"),
        **CLUSTERED,
    )
    op.create_index("ix_pending_sign_in_user", "pending_sign_in", ["user"])
    op.create_table(
        "passkey",
        sa.Column("id", Id, nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.Column("credential", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("signs", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("used_at", Id, nullable=True),
        sa.ForeignKeyConstraint(["user"], ["user.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("credential"),
        sqlite_strict=True,
    )
    op.create_index("ix_passkey_user", "passkey", ["user"])
    op.create_table(
        "used_challenge",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", Id, nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        **CLUSTERED,
    )
