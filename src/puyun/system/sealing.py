"""Sealing: bytes that nobody can read or change without the key they were sealed with (AES-256-GCM)."""

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class BrokenSealError(ValueError):
    """Another key, another purpose, or other bytes."""


def seal(key: bytes, purpose: bytes, plain: bytes) -> bytes:
    """`key`: 32 random bytes; `purpose` binds the content to where it belongs, so that none is swapped."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, purpose)


def unseal(key: bytes, purpose: bytes, sealed: bytes) -> bytes:
    """Raises BrokenSealError."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose)
    except (InvalidTag, ValueError) as error:
        raise BrokenSealError("these bytes were not sealed so") from error


def key_of(secret: str) -> bytes:
    """A key that whoever has the secret has. At least 128 random bits: it is not stretched."""
    return derived(secret.encode(), b"puyun seal")


def derived(key: bytes, use: bytes) -> bytes:
    """One key for each use of another one."""
    return hmac.new(key, use, hashlib.sha256).digest()
