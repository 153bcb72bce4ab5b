"""Second steps, recovery codes, passkeys, mailed links, identities, acts. Registered in the one `schema.metadata`."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text, UniqueConstraint, text

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

mailed_link = Table(
    "mailed_link",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("user", Id, ForeignKey("user.id"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("expires_at", When, nullable=False),
    UniqueConstraint("user", "purpose"),
    **CLUSTERED,
)
"""The hash of a link's secret. The newest of a purpose stands alone; it goes when it is used."""

identity = Table(
    "identity",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user", Id, ForeignKey("user.id"), nullable=False, index=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("created_at", When, nullable=False),
    Column("used_at", When),
    UniqueConstraint("issuer", "subject"),
    **STRICT,
)
"""Whom an issuer may vouch for. `email`: what the issuer called them, to be shown; nothing is decided by it."""

trial_due = Table(
    "trial_due",
    metadata,
    Column("org", Id, ForeignKey("organization.id"), primary_key=True, autoincrement=False),
    Column("user", Id, ForeignKey("user.id"), nullable=False, index=True),
    **CLUSTERED,
)
"""Trial credit that waits until its founder's address is verified."""

security_act = Table(
    "security_act",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", When, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Id, ForeignKey("user.id")),
    Column("user", Id, ForeignKey("user.id"), index=True),
    Column("org", Id, ForeignKey("organization.id"), index=True),
    Column("detail", Text, nullable=False),
    **STRICT,
)
"""What changed who may get in. `actor`: who did it; none for the operator's command line. `user`: to whom; none where
there is no user yet. `org`: none where it is about the user alone.
"""
