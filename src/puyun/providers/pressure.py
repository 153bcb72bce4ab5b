"""What a provider's answer says of how much more it takes: when to come again, and what is left by the minute."""

import re
from collections.abc import Mapping

import msgspec

from puyun.kit.clock import HOUR, SECOND

WAIT_MAX = HOUR
"""No provider sends us away for longer, whatever it says."""

OVERLOADED = frozenset({429, 503, 529})
"""Statuses of a provider that has too much to do, rather than one that is ill."""

_NAMES = {
    "rpm": (b"x-ratelimit-%b-requests", b"anthropic-ratelimit-requests-%b"),
    "itpm": (b"x-ratelimit-%b-tokens", b"anthropic-ratelimit-input-tokens-%b"),
    "otpm": (b"anthropic-ratelimit-output-tokens-%b",),
}
"""OpenAI counts both kinds of tokens together; the input is most of them."""

_LIMIT = {bucket: tuple(name % b"limit" for name in names) for bucket, names in _NAMES.items()}
_REMAINING = {bucket: tuple(name % b"remaining" for name in names) for bucket, names in _NAMES.items()}
_RESET = {bucket: tuple(name % b"reset" for name in names) for bucket, names in _NAMES.items()}

_SPAN = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?")


class Room(msgspec.Struct, frozen=True):
    """Per minute and left of it, by `rpm`, `itpm`, `otpm`; what was not said is not there."""

    limit: dict[str, int]
    remaining: dict[str, int]


def room_of(headers: Mapping[bytes, bytes]) -> Room | None:
    """None where the answer says nothing of it, as most do."""
    if b"x-ratelimit-remaining-requests" not in headers and b"anthropic-ratelimit-requests-remaining" not in headers:
        return None
    return Room(_counts(headers, _LIMIT), _counts(headers, _REMAINING))


def retry_after(headers: Mapping[bytes, bytes]) -> int | None:
    """Microseconds, from `retry-after-ms`, `retry-after` in seconds, or the reset of what is used up; None: unsaid."""
    for name, unit in ((b"retry-after-ms", 1_000), (b"retry-after", SECOND)):
        said = _number(headers.get(name))
        if said is not None:
            return min(int(said * unit), WAIT_MAX)
    exhausted = exhausted_of(headers)
    for name in _RESET.get(exhausted or "", ()):
        value = headers.get(name)
        span = None if value is None else span_of(value.decode("latin-1"))
        if span is not None:
            return span
    return None


def exhausted_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The bucket of which nothing is left, where the answer names one."""
    remaining = _counts(headers, _REMAINING)
    return next((bucket for bucket, left in remaining.items() if not left), None)


def span_of(text: str) -> int | None:
    """`6m0s`, `1h2m3.5s`, `12ms` -> microseconds; None for anything else."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return min(int((hours * 3600 + minutes * 60 + seconds) * SECOND + milliseconds * 1_000), WAIT_MAX)


def _counts(headers: Mapping[bytes, bytes], names: Mapping[str, tuple[bytes, ...]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for bucket, candidates in names.items():
        for name in candidates:
            value = headers.get(name)
            if value is not None and value.isdigit() and len(value) <= 12:
                found[bucket] = int(value)
                break
    return found


def _number(value: bytes | None) -> float | None:
    """A number of at most nine digits before its point; dates, which some send, are not understood."""
    text = (value or b"").strip()
    if not re.fullmatch(rb"[0-9]{1,9}(?:\.[0-9]{1,9})?", text):
        return None
    return float(text)
