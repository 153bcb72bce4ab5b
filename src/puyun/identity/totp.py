"""Codes of a second step: those of an app (TOTP, RFC 6238, with what every app takes), and those to recover with."""

import hashlib
import hmac
from base64 import b32encode

from pyotp.totp import TOTP

from puyun.kit.clock import SECOND, Instant

SECRET_BYTES = 20
"""As long as SHA-1's result: RFC 4226, section 4."""

RECOVERY_BYTES = 10
RECOVERY_CODES = 10

STEP = 30 * SECOND
DRIFT = 1
"""Steps that a device's clock may be off, either way."""

_DIGITS = 6
_GROUP = 4
_RECOVERY_LETTERS = RECOVERY_BYTES * 8 // 5


def shown_secret(secret: bytes) -> str:
    """As people type it into an app: groups of four letters."""
    return _grouped(_text(secret), " ")


def provisioning(secret: bytes, email: str, issuer: str) -> str:
    """What the picture says that an app photographs (`otpauth://`)."""
    return TOTP(_text(secret)).provisioning_uri(name=email, issuer_name=issuer)


def code_at(secret: bytes, step: int) -> str:
    """The code of a step, counted from 1970."""
    return TOTP(_text(secret)).generate_otp(step)


def step_of(secret: bytes, code: str, now: Instant, *, after: int = 0) -> int | None:
    """The step that a code belongs to, if it is near enough and later than `after`; none is taken twice."""
    code = clean_code(code)
    if len(code) != _DIGITS or not code.isascii() or not code.isdecimal():
        return None
    present = now // STEP
    for step in range(max(present - DRIFT, after + 1), present + DRIFT + 1):
        if hmac.compare_digest(code_at(secret, step), code):
            return step
    return None


def clean_code(text: str) -> str:
    """Without the blanks and dashes that people put between groups."""
    return "".join(text.split()).replace("-", "").upper()


def recovery_code(entropy: bytes) -> str:
    """80 bits for people to write down, in groups of four."""
    return _grouped(_text(entropy), "-")


def recovery_hash(text: str) -> bytes | None:
    """What is kept of a recovery code, however it was typed; nothing for what cannot be one."""
    code = clean_code(text)
    if len(code) != _RECOVERY_LETTERS or not code.isascii():
        return None
    return hashlib.sha256(code.encode()).digest()


def _text(secret: bytes) -> str:
    return b32encode(secret).decode()


def _grouped(text: str, between: str) -> str:
    return between.join(text[place : place + _GROUP] for place in range(0, len(text), _GROUP))
