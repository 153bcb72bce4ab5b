"""Cache writes kept for an hour, and tokens of images sent in, as buckets of their own.

Columns are added in place: rewriting the tables would drop the triggers that make them append-only.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("usage_record", "rollup_hour")
ADDED = ("cache_write_1h", "image_input")


def upgrade() -> None:
    count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    for table in TABLES:
        for name in ADDED:
            op.add_column(table, sa.Column(name, count, nullable=False, server_default=sa.text("0")))


def downgrade() -> None:
    for table in TABLES:
        for name in ADDED:
            op.drop_column(table, name)
