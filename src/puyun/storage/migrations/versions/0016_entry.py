"""Verified addresses, mailed links, identities of issuers, acts that matter for security. Users there were are verified."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("user", sa.Column("verified_at", Id, nullable=True))
    op.execute('UPDATE "user" SET verified_at = created_at')
    op.create_table(
        "mailed_link",
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("expires_at", Id, nullable=False),
        sa.ForeignKeyConstraint(["user"], ["user.id"], name=op.f("fk_mailed_link_user")),
        sa.PrimaryKeyConstraint("hash"),
        sa.UniqueConstraint("user", "purpose", name=op.f("uq_mailed_link_user_purpose")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "identity",
        sa.Column("id", Id, nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("used_at", Id, nullable=True),
        sa.ForeignKeyConstraint(["user"], ["user.id"], name=op.f("fk_identity_user")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("issuer", "subject", name=op.f("uq_identity_issuer_subject")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_identity_user"), "identity", ["user"], unique=False)
    op.create_table(
        "trial_due",
        sa.Column("org", Id, autoincrement=False, nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_trial_due_org")),
        sa.ForeignKeyConstraint(["user"], ["user.id"], name=op.f("fk_trial_due_user")),
        sa.PrimaryKeyConstraint("org"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_trial_due_user"), "trial_due", ["user"], unique=False)
    op.create_table(
        "security_act",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", Id, nullable=True),
        sa.Column("user", Id, nullable=True),
        sa.Column("org", Id, nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["actor"], ["user.id"], name=op.f("fk_security_act_actor")),
        sa.ForeignKeyConstraint(["user"], ["user.id"], name=op.f("fk_security_act_user")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_security_act_org")),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_security_act_user"), "security_act", ["user"], unique=False)
    op.create_index(op.f("ix_security_act_org"), "security_act", ["org"], unique=False)
