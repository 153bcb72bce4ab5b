"""Sealing: bytes that nobody can read or change without the secret they were sealed with (AES-256-GCM)."""

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class BrokenSealError(ValueError):
    """Another secret, another purpose, or other bytes."""


def seal(secret: str, purpose: bytes, content: bytes) -> bytes:
    """`secret`: at least 128 random bits, for it is not stretched; `purpose` binds the content to where it belongs."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_key(secret)).encrypt(nonce, content, purpose)


def unseal(secret: str, purpose: bytes, sealed: bytes) -> bytes:
    """Raises BrokenSealError."""
    try:
        return AESGCM(_key(secret)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose)
    except (InvalidTag, ValueError) as error:
        raise BrokenSealError("these bytes were not sealed so") from error


def _key(secret: str) -> bytes:
    return hmac.new(secret.encode(), b"puyun seal", hashlib.sha256).digest()
