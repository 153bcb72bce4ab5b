"""Invitations that wait for an answer. Registered in the one `schema.metadata`."""

from sqlalchemy import Column, ForeignKey, LargeBinary, Table, Text, UniqueConstraint

from puyun.storage.schema import STRICT, Id, When, metadata

invitation = Table(
    "invitation",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org", Id, ForeignKey("organization.id"), nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("by", Id, ForeignKey("user.id"), nullable=False),
    Column("created_at", When, nullable=False),
    Column("expires_at", When, nullable=False),
    UniqueConstraint("org", "email"),
    **STRICT,
)
"""The hash of a link's secret; the row goes when the link is used or withdrawn."""
