"""What an upstream's refusal means for the call: whose fault, try another deployment or not, what the customer hears."""

import re

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.errors import Blame, PuyunError

MESSAGE_MAX = 600
"""Characters of an upstream's message that are passed on."""

RETRY_SECONDS_MAX = 3600
"""A provider may send callers away for so long; other deployments may be free long before."""


class Refusal(msgspec.Struct, frozen=True):
    """`elsewhere`: another deployment may do better. `error`: what the customer is told if none does."""

    elsewhere: bool
    error: PuyunError


def classify(status: int, body: bytes, secrets: tuple[str, ...], retry_after: str | None, tier: Tier) -> Refusal:
    """An upstream's answer that is not a success (policies 5 to 7). The operator's secrets never pass."""
    if status in {401, 403}:
        return Refusal(elsewhere=True, error=upstream_error("The upstream provider did not accept our credentials."))
    if status == 429:
        return Refusal(elsewhere=True, error=no_capacity(tier, "The upstream provider is at its limit.", retry_after))
    if status >= 500 or status < 400:
        return Refusal(elsewhere=True, error=upstream_error(f"The upstream provider failed with status {status}."))
    message = _redact(_message(body) or f"The upstream provider refused the request with status {status}.", secrets)
    return Refusal(elsewhere=False, error=PuyunError("upstream_refused", status, message))


def upstream_error(message: str) -> PuyunError:
    return PuyunError("upstream_error", 502, f"{message} You were not charged; try again.", blame=Blame.UPSTREAM)


def upstream_timeout(message: str) -> PuyunError:
    return PuyunError("upstream_timeout", 504, f"{message} You were not charged; try again.", blame=Blame.UPSTREAM)


def no_capacity(tier: Tier, message: str, retry_after: str | None = None) -> PuyunError:
    """No seat for the call: 429 at the Test tier, which promises nothing, 503 at the others."""
    status = 429 if tier is Tier.TEST else 503
    told = retry_after if retry_after and re.fullmatch(r"[0-9]{1,6}", retry_after) else "1"
    seconds = min(int(told), RETRY_SECONDS_MAX)
    headers = {"retry-after": str(seconds), "retry-after-ms": str(seconds * 1000)}
    text = f"{message} You were not charged; try again in {seconds} s."
    return PuyunError("capacity_unavailable", status, text, blame=Blame.UPSTREAM, headers=headers)


class _Inner(msgspec.Struct):
    message: str = ""


class _Body(msgspec.Struct):
    error: _Inner | str | None = None
    message: str = ""
    detail: str = ""


def _message(body: bytes) -> str:
    """The sentence in an error body of any of the shapes that providers use; empty when there is none."""
    try:
        decoded = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    inner = decoded.error.message if isinstance(decoded.error, _Inner) else decoded.error or ""
    return inner or decoded.message or decoded.detail


def _redact(message: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret:
            message = message.replace(secret, "…")
    return message[:MESSAGE_MAX]
