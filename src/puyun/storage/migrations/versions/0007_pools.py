"""Deployments that are engines of ours, and those whose idle seats may be lent."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

Small = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for name in ("own", "lend"):
        op.add_column("deployment", sa.Column(name, Small, server_default=sa.text("0"), nullable=False))
