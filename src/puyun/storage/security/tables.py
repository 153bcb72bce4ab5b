"""Second steps, recovery codes, passkeys. Registered in the one `schema.metadata`."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text, text

from puyun.storage.schema import CLUSTERED, STRICT, Id, When, metadata

second_step = Table(
    "second_step",
    metadata,
    Column("user", Id, ForeignKey("user.id"), primary_key=True, autoincrement=False),
    Column("secret", LargeBinary, nullable=False),
    Column("created_at", When, nullable=False),
    Column("confirmed_at", When),
    Column("last_step", Id, nullable=False, server_default=text("0")),
    **CLUSTERED,
)
"""`secret`: encrypted. It is asked for from `confirmed_at` on. `last_step`: of the newest code that was taken; none up to
there is taken again.
"""

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("user", Id, ForeignKey("user.id"), primary_key=True),
    Column("hash", LargeBinary, primary_key=True),
    **CLUSTERED,
)
"""Those not used yet."""

pending_sign_in = Table(
    "pending_sign_in",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("user", Id, ForeignKey("user.id"), nullable=False),
    Column("expires_at", When, nullable=False),
    Index("ix_pending_sign_in_user", "user"),
    **CLUSTERED,
)
"""Somebody who gave the right password and still owes a code. `hash`: of the cookie."""

passkey = Table(
    "passkey",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user", Id, ForeignKey("user.id"), nullable=False),
    Column("credential", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("signs", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", When, nullable=False),
    Column("used_at", When),
    Index("ix_passkey_user", "user"),
    **STRICT,
)
"""`signs`: how often the device says that it signed; many say 0 always."""

used_challenge = Table(
    "used_challenge",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("expires_at", When, nullable=False),
    **CLUSTERED,
)
"""Challenges that were answered, until they would have ended anyway: none is answered twice."""
