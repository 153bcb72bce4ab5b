"""What members chose to hear of, what was mailed to them, and the watch over balances. In the one `schema.metadata`."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, text

from puyun.storage.schema import CLUSTERED, STRICT, Id, Money, Small, When, metadata

balance_watch = Table(
    "balance_watch",
    metadata,
    Column("org", Id, ForeignKey("organization.id"), primary_key=True),
    Column("threshold", Money),
    Column("low", Small, nullable=False),
    Column("empty", Small, nullable=False),
    Column("falls", Id, nullable=False, server_default=text("0")),
    CheckConstraint("threshold > 0", name="threshold"),
    **STRICT,
)
"""`notices.watch.Watch`, by organization."""

mail_choice = Table(
    "mail_choice",
    metadata,
    Column("org", Id, ForeignKey("organization.id"), primary_key=True),
    Column("user", Id, ForeignKey("user.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("wanted", Small, nullable=False),
    **CLUSTERED,
)
"""What a member said of a kind; without a row the default of their role holds."""

mail_language = Table(
    "mail_language",
    metadata,
    Column("user", Id, ForeignKey("user.id"), primary_key=True),
    Column("language", Text, nullable=False),
    **STRICT,
)
"""The language somebody first signed in with, or chose for letters."""

event_mail = Table(
    "event_mail",
    metadata,
    Column("event", Id, primary_key=True),
    Column("user", Id, primary_key=True),
    Column("at", When, nullable=False),
    Index("ix_event_mail_user", "user", "at"),
    **CLUSTERED,
)
"""An event is mailed once to a member."""
