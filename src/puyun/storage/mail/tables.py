"""Mail that is to be sent. Registered in the one `schema.metadata`."""

from sqlalchemy import Column, Index, Table, Text, text

from puyun.storage.schema import STRICT, Id, When, metadata

mail = Table(
    "mail",
    metadata,
    Column("id", Id, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("posted_at", When, nullable=False),
    Column("tries", Id, nullable=False, server_default=text("0")),
    Column("next_at", When),
    Column("sent_at", When),
    Column("error", Text, nullable=False, server_default=text("''")),
    Index(
        "ix_mail_next_at",
        "next_at",
        sqlite_where=text("next_at IS NOT NULL"),
        postgresql_where=text("next_at IS NOT NULL"),
    ),
    **STRICT,
)
"""`next_at`: when it is to be tried next; none once it was sent or given up. The body of what was sent is emptied: it
may hold a link that opens a door.
"""
