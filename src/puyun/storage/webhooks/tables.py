"""Webhooks and deliveries. Registered in the one `schema.metadata`."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint, text

from puyun.storage.schema import STRICT, Id, Small, When, metadata

webhook = Table(
    "webhook",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org", Id, ForeignKey("organization.id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("before", LargeBinary),
    Column("before_until", When),
    Column("status", Text, nullable=False, server_default=text("'active'")),
    Column("failing_since", When),
    Column("created_at", When, nullable=False),
    Column("created_by", Text, nullable=False, server_default=text("''")),
    Column("deleted_at", When),
    CheckConstraint("status IN ('active', 'paused', 'disabled')", name="status"),
    **STRICT,
)
"""`secret`, and `before` of the last rotation, are sealed by the vault. A deleted one has no secret and no URL left; it
stays until its deliveries are gone.
"""

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org", Id, nullable=False),
    Column("webhook", Id, ForeignKey("webhook.id"), nullable=False),
    Column("event", Id),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'waiting'")),
    Column("tries", Id, nullable=False, server_default=text("0")),
    Column("next_at", When),
    Column("created_at", When, nullable=False),
    Column("tried_at", When),
    Column("took_ms", Id),
    Column("code", Small),
    Column("answer", Text, nullable=False, server_default=text("''")),
    Column("error", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("webhook", "event"),
    CheckConstraint("status IN ('waiting', 'delivered', 'failed', 'cancelled')", name="status"),
    Index("ix_delivery_org", "org", "id"),
    Index("ix_delivery_created_at", "created_at"),
    Index(
        "ix_delivery_next_at",
        "next_at",
        sqlite_where=text("next_at IS NOT NULL"),
        postgresql_where=text("next_at IS NOT NULL"),
    ),
    **STRICT,
)
"""An event on its way to a webhook; `event` is none for a ping. `next_at`: when it is to be tried; while one process tries
it, when another one may. `took_ms`, `code`, `answer`, `error` are of the last try.
"""
