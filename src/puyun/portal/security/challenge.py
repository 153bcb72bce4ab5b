"""Challenges that a passkey signs. None is stored before it is answered: each carries its own end and our signature."""

import hashlib
import hmac
import secrets

from sqlalchemy import Connection

from puyun.kit.clock import MINUTE, Instant
from puyun.storage.security.passkeys import use_challenge
from puyun.system.vault import Vault

LASTS = 10 * MINUTE
"""As long as somebody may look at the page before touching the device."""

_NONCE_BYTES = 16
_INSTANT_BYTES = 8
_SIGNATURE_BYTES = 32


class Challenges:
    """`vault`: signs them, so that every process knows its own and its siblings' again."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def new(self, purpose: str, now: Instant) -> bytes:
        """`purpose`: what it is for and whom it was shown to; it is good for nothing and nobody else."""
        head = secrets.token_bytes(_NONCE_BYTES) + int(now + LASTS).to_bytes(_INSTANT_BYTES)
        return head + self._signature(head, purpose)

    def ours(self, challenge: bytes, purpose: str, now: Instant) -> bool:
        """Whether it is one that we gave for this purpose, and still good."""
        head, signature = challenge[:-_SIGNATURE_BYTES], challenge[-_SIGNATURE_BYTES:]
        if len(head) != _NONCE_BYTES + _INSTANT_BYTES:
            return False
        return hmac.compare_digest(signature, self._signature(head, purpose)) and _end(challenge) > now

    def use(self, connection: Connection, challenge: bytes, now: Instant) -> bool:
        """Take the answer to one of ours. False where it was answered before."""
        return use_challenge(connection, hashlib.sha256(challenge).digest(), _end(challenge), now)

    def _signature(self, head: bytes, purpose: str) -> bytes:
        return self._vault.sign(b"challenge " + head + purpose.encode())


def _end(challenge: bytes) -> Instant:
    return Instant(int.from_bytes(challenge[_NONCE_BYTES : _NONCE_BYTES + _INSTANT_BYTES]))
