"""Budgets, their windows, and events. Registered in the one `schema.metadata`."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, UniqueConstraint, text

from puyun.storage.schema import CLUSTERED, STRICT, Id, Money, Small, When, metadata

budget = Table(
    "budget",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org", Id, ForeignKey("organization.id"), nullable=False),
    Column("subject", Small, nullable=False),
    Column("number", Id, nullable=False),
    Column("period", Small, nullable=False),
    Column("hard", Small, nullable=False),
    Column("amount", Money, nullable=False),
    Column("since", Id, nullable=False),
    Column("created_at", When, nullable=False),
    Column("created_by", Text, nullable=False, server_default=text("''")),
    Column("ended_at", When),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("subject BETWEEN 1 AND 3 AND period BETWEEN 1 AND 3", name="codes"),
    Index(
        "uq_budget_place",
        "org",
        "subject",
        "number",
        "period",
        "hard",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    **STRICT,
)
"""`subject` and `period` are those of `ledger.budget`; `number` is the key or the user; calls from `since` on count."""

budget_window = Table(
    "budget_window",
    metadata,
    Column("budget", Id, ForeignKey("budget.id"), primary_key=True),
    Column("number", Id, primary_key=True),
    Column("spent", Money, nullable=False),
    Column("held", Money, nullable=False),
    CheckConstraint("spent >= 0 AND held >= 0", name="signs"),
    **CLUSTERED,
)

event = Table(
    "event",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", When, nullable=False),
    Column("data", Text, nullable=False),
    Column("told_at", When),
    UniqueConstraint("org", "kind", "subject"),
    Index("ix_event_org", "org", "id"),
    Index("ix_event_untold", "id", sqlite_where=text("told_at IS NULL"), postgresql_where=text("told_at IS NULL")),
    **STRICT,
)
"""What an organization is to be told of, once: `subject` makes it one. `data` is JSON, a payload of `notices.kinds`.
`told_at`: its letters and deliveries are written.
"""
