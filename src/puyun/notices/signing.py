"""Standard Webhooks: secrets, and the signature over `id.timestamp.body` (standardwebhooks.com, v1: HMAC-SHA256)."""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from puyun.kit.clock import DAY, SECOND, Instant

PREFIX = "whsec_"
ENTROPY_BYTES = 32

OVERLAP = DAY
"""How long after a rotation both secrets sign."""


def mint(entropy: bytes) -> str:
    """A new secret. Raises ValueError unless it is given exactly ENTROPY_BYTES bytes."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"a webhook's secret takes {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    return PREFIX + base64.b64encode(entropy).decode()


def headers(secrets: Sequence[str], identity: str, now: Instant, body: bytes) -> dict[str, str]:
    """Of one try, signed with each secret."""
    timestamp = str(now // SECOND)
    signed = b".".join((identity.encode(), timestamp.encode(), body))
    return {
        "webhook-id": identity,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
