"""Providers that are engines of the operator's own, which can be asked how full they are."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("provider", sa.Column("engine", sa.Text))


def downgrade() -> None:
    op.drop_column("provider", "engine")
