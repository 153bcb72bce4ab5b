"""Tallies of how calls were served: of each organization, of everybody, by day."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Small = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")

COUNTS = (
    "calls",
    "upstream_error",
    "upstream_timeout",
    "capacity",
    "ours",
    "refused",
    "gone",
    "waits",
    "waits_over",
    "overheads",
    "overheads_over",
)


def _table(name: str, *places: str, seen: bool = True) -> None:
    op.create_table(
        name,
        *(sa.Column(place, Id, nullable=False) for place in places),
        sa.Column("model", Id, nullable=False),
        sa.Column("tier", Small, nullable=False),
        *(sa.Column(count, Id, server_default=sa.text("0"), nullable=False) for count in COUNTS),
        *([sa.Column("seen", sa.Text(), server_default=sa.text("''"), nullable=False)] if seen else []),
        sa.PrimaryKeyConstraint(*places, "model", "tier"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )


def upgrade() -> None:
    _table("tally", "org", "interval")
    _table("tally_total", "interval")
    _table("tally_day", "day", seen=False)
    op.create_table(
        "tally_inbox",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", Id, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_strict=True,
    )
