"""Ed25519 keys for receipts: the private half in a file of the data directory, the public half for everybody.

A key is named by the hash of its public half (RFC 7638), so a name cannot be given to another key. What is signed is
the canonical JSON (`kit.canonical`) of the whole document with only the signature's own value left out.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import cast

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from puyun.kit.canonical import NotCanonicalError, encode
from puyun.kit.errors import Blame, PuyunError

ALGORITHM = "Ed25519"


class BadSignatureError(ValueError):
    """A document that is not what was signed; the message says what is wrong with it."""


class PublicKey(msgspec.Struct, frozen=True):
    """A public key as JSON Web Key sets have it (RFC 8037): `x` is its 32 bytes in base64url, `kid` its name."""

    x: str
    kid: str
    kty: str = "OKP"
    crv: str = ALGORITHM
    use: str = "sig"


class KeySet(msgspec.Struct, frozen=True):
    """What the well-known address answers."""

    keys: tuple[PublicKey, ...]


class SigningKey:
    """A private key. Signing the same document twice gives the same signature."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        x = _base64(private.public_key().public_bytes_raw())
        self.public = PublicKey(x, _thumbprint(x))

    def sign(self, document: Mapping[str, object]) -> dict[str, object]:
        """The document with its `signature`: `{"algorithm", "key", "value"}`."""
        claim = {"algorithm": ALGORITHM, "key": self.public.kid}
        value = self._private.sign(encode({**document, "signature": claim}))
        return {**document, "signature": {**claim, "value": _base64(value)}}


def verify(document: Mapping[str, object], keys: Iterable[PublicKey]) -> PublicKey:
    """The key that signed the document as it is. Raises BadSignatureError."""
    claim = document.get("signature")
    if not isinstance(claim, dict):
        raise BadSignatureError("it carries no signature")
    claim = dict(cast("dict[str, object]", claim))
    value = claim.pop("value", None)
    if set(claim) != {"algorithm", "key"} or claim["algorithm"] != ALGORITHM or not isinstance(value, str):
        raise BadSignatureError("its signature is not of a form that was ever made here")
    key = next((key for key in keys if key.kid == claim["key"]), None)
    if key is None:
        raise BadSignatureError(f"none of the keys at hand is {claim['key']!r}")
    try:
        if _thumbprint(key.x) != key.kid:
            raise BadSignatureError(f"the key at hand is not the one that its name {key.kid!r} stands for")
        public = Ed25519PublicKey.from_public_bytes(_bytes(key.x))
        public.verify(_bytes(value), encode({**document, "signature": claim}))
    except (InvalidSignature, NotCanonicalError) as error:
        raise BadSignatureError("it is not what was signed: something in it was changed") from error
    return key


def load_key(path: Path) -> SigningKey | None:
    """The key of this file; None where there is none. Raises PuyunError `receipt_key_unreadable` (500)."""
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unreadable(path, str(error)) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _unreadable(path, f"it holds another kind of key than {ALGORITHM}")
    return SigningKey(private)


def new_key() -> SigningKey:
    return SigningKey(Ed25519PrivateKey.generate())


def save_key(path: Path, key: SigningKey, *, replace: bool) -> bool:
    """Write a key, readable by its owner alone. False when there was one already and it was not to be replaced.

    The file appears whole or not at all: another process never reads half a key, and of two that start only one wins.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.{key.public.kid}")
    private = key._private  # noqa: SLF001 - the one place where the private half leaves its object
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        if replace:
            draft.replace(path)
            return True
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()
    return True


def _unreadable(path: Path, problem: str) -> PuyunError:
    text = f"The key that signs receipts cannot be read from {path}: {problem}. Restore it, or make a new one."
    return PuyunError("receipt_key_unreadable", 500, text, blame=Blame.OPERATOR)


def _thumbprint(x: str) -> str:
    return _base64(sha256(encode({"crv": ALGORITHM, "kty": "OKP", "x": x})).digest())


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Raises BadSignatureError for any other spelling than the one that `_base64` writes."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise BadSignatureError("a part of its signature is no base64url") from error
    if _base64(data) != text:
        raise BadSignatureError("a part of its signature is not spelled as it was made")
    return data
