"""Readings as header lines of HTTP."""

from collections.abc import Sequence

from puyun.limits import headers
from puyun.limits.ask import Reading


def openai_lines(readings: Sequence[Reading]) -> bytes:
    """`x-ratelimit-…`, `ratelimit` and `ratelimit-policy`; nothing where there are no limits."""
    if not readings:
        return b""
    told = headers.openai(readings) | headers.ietf(readings)
    return "".join([f"{name}: {value}\r\n" for name, value in told.items()]).encode("latin-1")
