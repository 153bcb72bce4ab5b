"""Randomness from the operating system, in the shapes that domains take."""

import secrets

from puyun.identity.keys import ENTROPY_BYTES
from puyun.identity.tokens import ENTROPY_BYTES as TOKEN_BYTES
from puyun.identity.totp import RECOVERY_BYTES, RECOVERY_CODES, SECRET_BYTES, recovery_code
from puyun.kit.ids import ORG_BITS

_LETTERS = "abcdefghjkmnpqrstvwxyz23456789"
_PASSWORD_LENGTH = 16


def key_entropy() -> bytes:
    """What `identity.keys.mint` takes."""
    return secrets.token_bytes(ENTROPY_BYTES)


def token_entropy() -> bytes:
    """What `identity.tokens.mint` takes."""
    return secrets.token_bytes(TOKEN_BYTES)


def organization_id() -> int:
    """A number that tells nothing about how many organizations there are; never 0."""
    return secrets.randbelow((1 << ORG_BITS) - 1) + 1


def reference(kind: str) -> str:
    """An idempotency key for somebody who did not bring one: `topup_` and 32 hexadecimal digits."""
    return f"{kind}_{secrets.token_hex(16)}"


def redeem_code() -> str:
    """What is printed on a card: four groups of four letters, 78 bits."""
    letters = password()
    return "-".join(letters[place : place + 4] for place in range(0, len(letters), 4))


def password() -> str:
    """A first password to hand over: 78 bits, without letters that look alike."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_PASSWORD_LENGTH))


def link_secret() -> str:
    """What makes a mailed link one that nobody guesses: 256 bits, fit for an address."""
    return secrets.token_urlsafe(32)


def webhook_entropy() -> bytes:
    """What `notices.signing.mint` takes."""
    return secrets.token_bytes(32)


def second_step_secret() -> bytes:
    """What an app makes the codes of a sign-in's second step from."""
    return secrets.token_bytes(SECRET_BYTES)


def recovery_codes() -> list[str]:
    """To be written down: each lets in once, in the place of an app's code."""
    return [recovery_code(secrets.token_bytes(RECOVERY_BYTES)) for _ in range(RECOVERY_CODES)]
