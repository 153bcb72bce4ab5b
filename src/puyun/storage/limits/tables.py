"""Rules of limits, how some of them ended before their time, and what is asked for. Registered in the one `schema.metadata`."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, text

from puyun.storage.schema import STRICT, Id, When, metadata


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


limit_rule = Table(
    "limit_rule",
    metadata,
    Column("id", Id, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("org", Id, ForeignKey("organization.id"), index=True),
    Column("key", Id, ForeignKey("api_key.id")),
    Column("tier", Text),
    Column("model", Text),
    Column("metric", Text, nullable=False),
    Column("amount", Id),
    Column("burst", Id),
    Column("starts", When, nullable=False),
    Column("ends", When),
    _text("why"),
    _text("created_by"),
    Column("created_at", When, nullable=False),
    CheckConstraint(
        "CASE scope WHEN 'key' THEN org IS NOT NULL AND key IS NOT NULL"
        " WHEN 'organization' THEN org IS NOT NULL AND key IS NULL AND model IS NULL"
        " WHEN 'organization_model' THEN org IS NOT NULL AND key IS NULL AND model IS NOT NULL"
        " WHEN 'tier' THEN org IS NULL AND key IS NULL AND tier IS NOT NULL AND model IS NULL"
        " WHEN 'tier_model' THEN org IS NULL AND key IS NULL AND tier IS NOT NULL AND model IS NOT NULL"
        " WHEN 'ip' THEN org IS NULL AND key IS NULL AND tier IS NULL AND model IS NULL"
        " ELSE 1 = 0 END",
        name="subject",
    ),
    CheckConstraint("amount >= 0 AND burst > 0", name="amount"),
    CheckConstraint("ends > starts", name="dates"),
    **STRICT,
)
"""One rule as `puyun.limits.rule` states it; no amount: no limit. `ends`: announced when it was made."""

limit_end = Table(
    "limit_end",
    metadata,
    Column("rule", Id, ForeignKey("limit_rule.id"), primary_key=True),
    Column("created_at", When, nullable=False),
    _text("why"),
    _text("created_by"),
    **STRICT,
)
"""A rule that ended when this was written."""

APPEND_ONLY = ("limit_rule", "limit_end")
"""The database itself refuses to update or delete their rows."""

limit_wish = Table(
    "limit_wish",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org", Id, ForeignKey("organization.id"), nullable=False),
    Column("by", Id, ForeignKey("user.id"), nullable=False),
    Column("tier", Text, nullable=False),
    _text("model"),
    Column("metric", Text, nullable=False),
    Column("amount", Id, nullable=False),
    Column("why", Text, nullable=False),
    Column("asked_at", When, nullable=False),
    Column("answered_at", When),
    Column("granted", Id),
    _text("answer"),
    _text("answered_by"),
    CheckConstraint("amount > 0 AND granted >= 0", name="amount"),
    Index("ix_limit_wish_org", "org", "id"),
    Index(
        "uq_limit_wish_open",
        "org",
        "tier",
        "model",
        "metric",
        unique=True,
        sqlite_where=text("answered_at IS NULL"),
        postgresql_where=text("answered_at IS NULL"),
    ),
    **STRICT,
)
"""A higher limit that a member asked for. No model: all models together. `granted`: what it became; none: declined, or not
answered yet. One of a kind is open at a time.
"""
