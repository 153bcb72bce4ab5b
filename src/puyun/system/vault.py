"""A key outside the database: what it seals, a copy of the database does not give away.

The key is made at first need: `sealing-key` in the data directory, readable by its owner alone. All machines of one
database need the same file.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from puyun.kit.errors import PuyunError
from puyun.system.sealing import BrokenSealError, derived, seal, unseal

KEY_FILE = "sealing-key"

_KEY_BYTES = 32


class Vault:
    """Seals (AES-256-GCM) and signs (HMAC-SHA256), each with a key of its own that comes from the one in the file."""

    def __init__(self, data: Path) -> None:
        self._path = data / KEY_FILE
        self._key: bytes | None = None

    def seal(self, purpose: str, plain: bytes) -> bytes:
        """Encrypted; it opens for the same purpose only. The purpose names whose it is, so that none is swapped."""
        return seal(self._derived(b"seal"), purpose.encode(), plain)

    def unseal(self, purpose: str, sealed: bytes) -> bytes:
        """Raises PuyunError `sealed_elsewhere` (500) where it was sealed with another key or for another purpose."""
        try:
            return unseal(self._derived(b"seal"), purpose.encode(), sealed)
        except BrokenSealError as error:
            text = (
                f"This was sealed with another key than the one in {KEY_FILE}. The operator has to restore that file."
            )
            raise PuyunError("sealed_elsewhere", 500, text) from error

    def sign(self, message: bytes) -> bytes:
        """32 bytes that only who has the key can make."""
        return derived(self._derived(b"sign"), message)

    def _derived(self, use: bytes) -> bytes:
        if self._key is None:
            self._key = self._load() or self._first()
        return derived(self._key, use)

    def _load(self) -> bytes | None:
        try:
            key = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(str(error)) from error
        if len(key) != _KEY_BYTES:
            raise self._unreadable(f"it has {len(key)} bytes, not {_KEY_BYTES}")
        return key

    def _first(self) -> bytes:
        """The file appears whole or not at all, and of two processes that make one at once only one wins."""
        draft = self._path.with_name(f"{KEY_FILE}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            with suppress(FileExistsError):
                self._path.hardlink_to(draft)
        finally:
            draft.unlink()
        key = self._load()
        assert key is not None, "it was written just now, by this process or by another"
        return key

    def _unreadable(self, problem: str) -> PuyunError:
        text = f"The key that seals secrets cannot be read from {self._path}: {problem}. Restore it."
        return PuyunError("sealing_key_unreadable", 500, text)
