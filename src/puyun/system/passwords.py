"""Password hashes: argon2id with the library's own parameters, which follow RFC 9106."""

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

MINIMUM = 10
"""Length is the one rule; composition rules only make passwords worse (NIST SP 800-63B)."""

MAXIMUM = 1024

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    """An argon2id hash with its own salt and parameters. Raises ValueError for one too short or too long."""
    if not MINIMUM <= len(password) <= MAXIMUM:
        raise ValueError(f"a password has between {MINIMUM} and {MAXIMUM} characters, this one {len(password)}")
    return _hasher.hash(password)


def verify_password(stored: str, password: str) -> bool:
    """Whether the password fits. An empty or foreign `stored` fits nothing, and takes as long as one that could."""
    try:
        return _hasher.verify(stored or _nobody(), password[:MAXIMUM]) and bool(stored)
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    return _hasher.hash("nobody has this password")
