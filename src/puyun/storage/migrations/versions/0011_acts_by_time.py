"""An index of the journal's acts, without its calls: what a billing page lists."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_journal_acts",
        "journal",
        ["org", "at", "number"],
        unique=False,
        sqlite_where=sa.text("entry <> 'usage'"),
        postgresql_where=sa.text("entry <> 'usage'"),
    )
