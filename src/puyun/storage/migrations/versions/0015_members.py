"""The role `billing`, and invitations."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ROLES = "role IN ('owner', 'admin', 'member', 'viewer', 'billing')"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _rebuild()
    else:
        op.drop_constraint(op.f("ck_membership_role"), "membership", type_="check")
        op.create_check_constraint(op.f("ck_membership_role"), "membership", ROLES)
    op.create_table(
        "invitation",
        sa.Column("id", Id, nullable=False),
        sa.Column("org", Id, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("by", Id, nullable=False),
        sa.Column("created_at", Id, nullable=False),
        sa.Column("expires_at", Id, nullable=False),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_invitation_org")),
        sa.ForeignKeyConstraint(["by"], ["user.id"], name=op.f("fk_invitation_by")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash", name=op.f("uq_invitation_hash")),
        sa.UniqueConstraint("org", "email", name=op.f("uq_invitation_org_email")),
        sqlite_strict=True,
    )


def _rebuild() -> None:
    """SQLite cannot change a check: the rows move to a table that has the new one."""
    op.create_table(
        "membership_new",
        sa.Column("org", Id, nullable=False),
        sa.Column("user", Id, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.CheckConstraint(ROLES, name=op.f("ck_membership_role")),
        sa.ForeignKeyConstraint(["org"], ["organization.id"], name=op.f("fk_membership_org")),
        sa.ForeignKeyConstraint(["user"], ["user.id"], name=op.f("fk_membership_user")),
        sa.PrimaryKeyConstraint("org", "user"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.execute('INSERT INTO membership_new (org, "user", role) SELECT org, "user", role FROM membership')
    op.drop_table("membership")
    op.rename_table("membership_new", "membership")
    op.create_index(op.f("ix_membership_user"), "membership", ["user"], unique=False)
