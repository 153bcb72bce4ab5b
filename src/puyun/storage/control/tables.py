"""Access tokens, and the outcomes of writes. Registered in the one `schema.metadata`."""

from sqlalchemy import Column, ForeignKey, LargeBinary, Table, Text

from puyun.storage.schema import CLUSTERED, STRICT, Id, Small, When, metadata

access_token = Table(
    "access_token",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user", Id, ForeignKey("user.id"), nullable=False, index=True),
    Column("org", Id, ForeignKey("organization.id"), nullable=False, index=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("created_at", When, nullable=False),
    Column("expires_at", When, nullable=False),
    Column("used_at", When),
    Column("revoked_at", When),
    **STRICT,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("token", Id, ForeignKey("access_token.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("status", Small, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", When, nullable=False, index=True),
    **CLUSTERED,
)
"""`request`: SHA-256 of what was asked for. `sealed`: the answer, which may hold a secret, as only the token opens it."""
