"""API keys: how a secret looks, how it is stored, and how a mistyped one is told from an unknown one.

`sk-puyun-` and 38 letters of base 62: 32 that carry 190 random bits, 6 that are the CRC-32 of what stands before them.
The checksum is no protection. It lets a client that lost a letter be told so, and a scanner find leaked keys offline.
"""

import hashlib
from zlib import crc32

PREFIX = "sk-puyun-"
ENTROPY_BYTES = 24
"""How many random bytes `mint` takes."""

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY = 32
_CHECK = 6
_SHOWN = len(PREFIX) + 4


def mint(entropy: bytes) -> str:
    """A new secret. Raises ValueError unless it is given exactly ENTROPY_BYTES bytes."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a key takes {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    body = PREFIX + _base62(int.from_bytes(entropy), _BODY)
    return body + _checksum(body)


def well_formed(secret: str) -> bool:
    """Whether this can be a key that `mint` made; False for a typo, a lost letter, or a key of somebody else."""
    if len(secret) != len(PREFIX) + _BODY + _CHECK or not secret.startswith(PREFIX) or not secret.isascii():
        return False
    return _checksum(secret[:-_CHECK]) == secret[-_CHECK:]


def fingerprint(secret: str) -> bytes:
    """What is stored and looked up: SHA-256. The secret is random, so a slow hash would add nothing but time."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def prefix(secret: str) -> str:
    """The part that may be shown again, to tell keys apart: `sk-puyun-4fXb`."""
    return secret[:_SHOWN]


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode()), _CHECK)


def _base62(number: int, width: int) -> str:
    """The lowest `width` digits."""
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits
