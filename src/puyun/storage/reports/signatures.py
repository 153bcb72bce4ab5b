"""Who signs receipts here: a key in the data directory, made at first need; every public half ever used, in the database.

Public halves are never deleted, so a receipt stays verifiable when its key was replaced, and each machine publishes the
keys of all of them.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, insert, select

from puyun.kit.clock import Clock
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.system.signing import KeySet, PublicKey, SigningKey, load_key, new_key, save_key

KEY_FILE = "receipt-key.pem"

_KEY = schema.receipt_key


class Signer:
    """Signs with the key in the file as it is now, so that a running server follows a rotation."""

    def __init__(self, engine: Engine, data: Path, clock: Clock) -> None:
        self._engine = engine
        self._path = data.joinpath(KEY_FILE)
        self._clock = clock
        self._stamp: tuple[int, int] | None = None
        self._key: SigningKey | None = None

    def sign(self, document: dict[str, object]) -> dict[str, object]:
        """The document with its signature; the same key gives the same bytes."""
        return self.key().sign(document)

    def key(self) -> SigningKey:
        stamp = self._seen()
        if self._key is None or stamp != self._stamp:
            key = load_key(self._path) or self._first()
            self._publish(key)
            self._key, self._stamp = key, self._seen()
        return self._key

    def rotate(self) -> SigningKey:
        """A new key from now on. It is published before it signs; the old one verifies what it signed, for ever."""
        key = new_key()
        self._publish(key)
        save_key(self._path, key, replace=True)
        return key

    def published(self) -> KeySet:
        """Every public key there ever was, oldest first; the present one too, if nothing was signed with it yet."""
        self.key()
        with reading(self._engine) as connection:
            return load_keys(connection)

    def _first(self) -> SigningKey:
        key = new_key()
        if save_key(self._path, key, replace=False):
            return key
        found = load_key(self._path)
        assert found is not None, "of two processes that make a key at once one wins, and its file is whole"
        return found

    def _publish(self, key: SigningKey) -> None:
        known = select(_KEY.c.id).where(_KEY.c.id == key.public.kid)
        with reading(self._engine) as connection:
            if connection.execute(known).first():
                return
        with writing(self._engine) as connection:
            if not connection.execute(known).first():
                row = {"id": key.public.kid, "public": key.public.x, "created_at": self._clock.now()}
                connection.execute(insert(_KEY).values(row))

    def _seen(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


def load_keys(connection: Connection) -> KeySet:
    """Every public key that receipts of this database may be signed with, oldest first."""
    rows = connection.execute(select(_KEY).order_by(_KEY.c.created_at, _KEY.c.id))
    return KeySet(tuple(PublicKey(row.public, row.id) for row in rows))
