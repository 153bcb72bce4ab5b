"""Every table. Instants are microseconds since 1970, money nano-units, prices micro-units per million tokens.

The keys of the hot tables begin with the organization, so that they can be spread over machines later.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

STRICT: dict[str, Any] = {"sqlite_strict": True}
CLUSTERED: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}
"""Rows live in the primary key's own tree: one tree instead of two."""

Id = BigInteger().with_variant(Integer, "sqlite")
Money = BigInteger().with_variant(Integer, "sqlite")
When = BigInteger().with_variant(Integer, "sqlite")
Small = SmallInteger().with_variant(Integer, "sqlite")


def _count(name: str) -> Column[int]:
    return Column(name, Id, nullable=False, server_default=text("0"))


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"))


# --- who -----------------------------------------------------------------------------------------------------------
organization = Table(
    "organization",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("tiers", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'active'")),
    Column("created_at", When, nullable=False),
    Column("revision", Id, nullable=False, index=True),
    CheckConstraint("status IN ('active', 'suspended')", name="status"),
    **STRICT,
)

user = Table(
    "user",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    _text("password_hash"),
    Column("operator", Small, nullable=False, server_default=text("0")),
    Column("created_at", When, nullable=False),
    Column("verified_at", When),
    **STRICT,
)
"""`verified_at`: since when somebody vouches that the address is theirs: a link mailed to it, an issuer, the operator."""

membership = Table(
    "membership",
    metadata,
    Column("org", Id, ForeignKey("organization.id"), primary_key=True),
    Column("user", Id, ForeignKey("user.id"), primary_key=True, index=True),
    Column("role", Text, nullable=False),
    CheckConstraint("role IN ('owner', 'admin', 'member', 'viewer', 'billing')", name="role"),
    **CLUSTERED,
)

session = Table(
    "session",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("user", Id, ForeignKey("user.id"), nullable=False, index=True),
    Column("created_at", When, nullable=False),
    Column("seen_at", When, nullable=False),
    Column("expires_at", When, nullable=False),
    _text("agent"),
    **CLUSTERED,
)

signin_failure = Table(
    "signin_failure",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("failures", Id, nullable=False),
    Column("locked_until", When, nullable=False),
    **CLUSTERED,
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org", Id, ForeignKey("organization.id"), nullable=False, index=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    _text("name"),
    Column("member", Id, ForeignKey("user.id")),
    Column("tier", Text, nullable=False),
    Column("models", Text, nullable=False, server_default=text("'[]'")),
    Column("ips", Text, nullable=False, server_default=text("'[]'")),
    Column("expires_at", When),
    Column("revoked_at", When),
    Column("created_at", When, nullable=False),
    Column("revision", Id, nullable=False, index=True),
    **STRICT,
)

revision = Table(
    "revision",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Id, nullable=False),
    **CLUSTERED,
)

# --- what is sold --------------------------------------------------------------------------------------------------
provider = Table(
    "provider",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("dialect", Text, nullable=False),
    _text("base_url"),
    _text("api_key"),
    Column("engine", Text),
    **STRICT,
)

deployment = Table(
    "deployment",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("provider", Id, ForeignKey("provider.id"), nullable=False),
    Column("upstream_model", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("seats", Id, nullable=False),
    Column("rpm", Id),
    Column("itpm", Id),
    Column("otpm", Id),
    Column("own", Small, nullable=False, server_default=text("0")),
    Column("lend", Small, nullable=False, server_default=text("0")),
    **STRICT,
)

model = Table(
    "model",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("context_length", Id, nullable=False),
    _count("max_output"),
    _text("vendor"),
    _text("label"),
    _text("description"),
    _count("created"),
    **STRICT,
)

model_deployment = Table(
    "model_deployment",
    metadata,
    Column("model", Id, ForeignKey("model.id"), primary_key=True),
    Column("position", Id, primary_key=True),
    Column("deployment", Id, ForeignKey("deployment.id"), nullable=False),
    UniqueConstraint("model", "deployment"),
    **CLUSTERED,
)

price = Table(
    "price",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model", Id, ForeignKey("model.id"), nullable=False),
    Column("tier", Text, nullable=False),
    Column("meter", Text, nullable=False),
    Column("amount", Money),
    Column("effective_from", When, nullable=False),
    Column("created_at", When, nullable=False),
    _text("created_by"),
    _text("reason"),
    Index("ix_price_cell", "model", "tier", "meter", "effective_from"),
    CheckConstraint("amount >= 0", name="amount"),
    **STRICT,
)

price_revocation = Table(
    "price_revocation",
    metadata,
    Column("price", Id, ForeignKey("price.id"), primary_key=True),
    Column("created_at", When, nullable=False),
    _text("created_by"),
    _text("reason"),
    **STRICT,
)

cost = Table(
    "cost",
    metadata,
    Column("id", Id, primary_key=True),
    Column("deployment", Id, ForeignKey("deployment.id"), nullable=False),
    Column("meter", Text, nullable=False),
    Column("amount", Money),
    Column("effective_from", When, nullable=False),
    Column("created_at", When, nullable=False),
    _text("created_by"),
    _text("reason"),
    CheckConstraint("amount >= 0", name="amount"),
    **STRICT,
)

# --- money ---------------------------------------------------------------------------------------------------------
wallet = Table(
    "wallet",
    metadata,
    Column("org", Id, ForeignKey("organization.id"), primary_key=True),
    Column("currency", Text, nullable=False),
    _count("paid"),
    _count("bonus"),
    _count("held"),
    _count("credit_limit"),
    _count("credit_peak"),
    _count("open_invoices"),
    Column("frozen", Small, nullable=False, server_default=text("0")),
    _count("last"),
    CheckConstraint("paid + bonus + credit_limit - open_invoices - held >= 0", name="available"),
    CheckConstraint("bonus >= 0 AND held >= 0 AND credit_limit >= 0 AND open_invoices >= 0", name="signs"),
    CheckConstraint("paid <= 1000000000000000000 AND bonus <= 1000000000000000000", name="bounds"),
    **STRICT,
)

owner = Table(
    "owner",
    metadata,
    Column("id", Id, primary_key=True),
    Column("slot", Id, nullable=False),
    Column("started_at", When, nullable=False),
    **STRICT,
)

hold = Table(
    "hold",
    metadata,
    Column("org", Id, primary_key=True),
    Column("call", Id, primary_key=True),
    Column("amount", Money, nullable=False),
    Column("key", Id, nullable=False),
    Column("owner", Id, nullable=False),
    Column("model", Id, nullable=False),
    Column("tier", Small, nullable=False),
    CheckConstraint("amount >= 0", name="amount"),
    **CLUSTERED,
)

journal = Table(
    "journal",
    metadata,
    Column("org", Id, primary_key=True),
    Column("number", Id, primary_key=True),
    Column("line", Small, primary_key=True),
    Column("entry", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("amount", Money, nullable=False),
    Column("at", When, nullable=False),
    _text("ref"),
    _text("note"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("debit <> credit", name="sides"),
    Index(
        "ix_journal_acts",
        "org",
        "at",
        "number",
        sqlite_where=text("entry <> 'usage'"),
        postgresql_where=text("entry <> 'usage'"),
    ),
    **CLUSTERED,
)
"""The index has what is no call: a few lines among millions, in the order of an organization's billing page."""

posting_key = Table(
    "posting_key",
    metadata,
    Column("org", Id, primary_key=True),
    Column("ref", Text, primary_key=True),
    Column("number", Id, nullable=False),
    _text("created_by"),
    **CLUSTERED,
)

# --- usage ---------------------------------------------------------------------------------------------------------
usage_record = Table(
    "usage_record",
    metadata,
    Column("org", Id, primary_key=True),
    Column("call", Id, primary_key=True),
    Column("number", Id, nullable=False),
    Column("key", Id, nullable=False),
    Column("model", Id, nullable=False),
    Column("deployment", Id, nullable=False),
    Column("tier", Small, nullable=False),
    Column("tier_requested", Small, nullable=False),
    Column("status", Small, nullable=False),
    Column("flags", Small, nullable=False),
    Column("input", Id, nullable=False),
    Column("cached_input", Id, nullable=False),
    Column("cache_write", Id, nullable=False),
    _count("cache_write_1h"),
    Column("audio", Id, nullable=False),
    _count("image_input"),
    Column("output", Id, nullable=False),
    Column("reasoning", Id, nullable=False),
    Column("audio_output", Id, nullable=False),
    Column("exact", Money, nullable=False),
    Column("charge", Money, nullable=False),
    Column("from_bonus", Money, nullable=False),
    Column("held", Money, nullable=False),
    Column("balance_after", Money, nullable=False),
    Column("price_ids", Text, nullable=False),
    Column("attempts", Small, nullable=False),
    Column("queue_ms", Id, nullable=False),
    Column("ttft_ms", Id, nullable=False),
    Column("total_ms", Id, nullable=False),
    Column("error", Text),
    CheckConstraint("charge >= 0 AND from_bonus >= 0 AND from_bonus <= charge", name="charge"),
    **CLUSTERED,
)

rollup_hour = Table(
    "rollup_hour",
    metadata,
    Column("org", Id, primary_key=True),
    Column("hour", Id, primary_key=True),
    Column("key", Id, primary_key=True),
    Column("model", Id, primary_key=True),
    Column("tier", Small, primary_key=True),
    _count("calls"),
    _count("failures"),
    _count("input"),
    _count("cached_input"),
    _count("cache_write"),
    _count("cache_write_1h"),
    _count("audio"),
    _count("image_input"),
    _count("output"),
    _count("reasoning"),
    _count("audio_output"),
    _count("charge"),
    **CLUSTERED,
)

# --- what is proved ------------------------------------------------------------------------------------------------
receipt_key = Table(
    "receipt_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("public", Text, nullable=False),
    Column("created_at", When, nullable=False),
    **CLUSTERED,
)

statement = Table(
    "statement",
    metadata,
    Column("org", Id, ForeignKey("organization.id"), primary_key=True),
    Column("month", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("closed_at", When, nullable=False),
    **CLUSTERED,
)

APPEND_ONLY = ("journal", "usage_record", "price", "price_revocation", "cost", "receipt_key", "statement")
"""The database itself refuses to update or delete rows of these (I3)."""
