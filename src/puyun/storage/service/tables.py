"""Tallies of calls. Registered in the one `schema.metadata`.

The histograms are one text beside the counts, and not a row a bin: with calls spread over many organizations a row a bin
took three times the bytes and twice the time.
"""

from sqlalchemy import Column, LargeBinary, Table, Text, text

from puyun.service.tally import COUNTS
from puyun.storage.schema import CLUSTERED, STRICT, Id, Small, When, metadata


def _counts() -> list[Column[int]]:
    return [Column(name, Id, nullable=False, server_default=text("0")) for name in COUNTS]


def _seen() -> Column[str]:
    return Column("seen", Text, nullable=False, server_default=text("''"))


tally_inbox = Table(
    "tally_inbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", When, nullable=False),
    Column("content", LargeBinary, nullable=False),
    **STRICT,
)
"""What the ledger's batches have left and nobody has added up yet; a row is gone once it is in the others."""

tally = Table(
    "tally",
    metadata,
    Column("org", Id, primary_key=True),
    Column("interval", Id, primary_key=True),
    Column("model", Id, primary_key=True),
    Column("tier", Small, primary_key=True),
    *_counts(),
    _seen(),
    **CLUSTERED,
)
"""One organization's. `interval`: five minutes, numbered since 1970."""

tally_total = Table(
    "tally_total",
    metadata,
    Column("interval", Id, primary_key=True),
    Column("model", Id, primary_key=True),
    Column("tier", Small, primary_key=True),
    *_counts(),
    _seen(),
    **CLUSTERED,
)
"""Everybody's, added up with `tally`."""

tally_day = Table(
    "tally_day",
    metadata,
    Column("day", Id, primary_key=True),
    Column("model", Id, primary_key=True),
    Column("tier", Small, primary_key=True),
    *_counts(),
    **CLUSTERED,
)
"""Everybody's by day, numbered since 1970."""
