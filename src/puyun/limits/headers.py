"""Readings as the headers that official clients know: OpenAI's, Anthropic's, the IETF draft's, and when to come again.

Names are in lower case, values plain ASCII. `limit` is what a minute (or a day) lets through and `remaining` what would be
let through now, which is never more than a burst; `reset` is when nothing is used any more.
"""

from collections.abc import Iterable
from functools import lru_cache

from puyun.kit.clock import HOUR, MINUTE, SECOND, Instant, format_instant
from puyun.limits.reading import Reading
from puyun.limits.rule import REQUESTS, Metric

TOKENS = frozenset({Metric.ITPM, Metric.OTPM, Metric.TPM, Metric.TPD})

JITTER_MAX = 200
"""Per mille of a wait that may be added to it, so that those who were refused together do not return together."""

PATIENCE_MAX = 60 * SECOND
"""Official clients sleep as long as they are told up to a minute; told more, some come back within seconds instead. So they
are told not to come back by themselves.
"""

_ANTHROPIC = {
    "requests": REQUESTS,
    "tokens": TOKENS,
    "input-tokens": frozenset({Metric.ITPM}),
    "output-tokens": frozenset({Metric.OTPM}),
}

_UNITS = dict.fromkeys(TOKENS, ';qu="tokens"') | {Metric.IN_FLIGHT: ';qu="concurrent-requests"'}
"""What the draft counts unless it is told otherwise is requests."""


def openai(readings: Iterable[Reading]) -> dict[str, str]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, of the most restrictive limit of each kind."""
    held = tuple(readings)
    found: dict[str, str] = {}
    for kind, metrics in (("requests", REQUESTS), ("tokens", TOKENS)):
        tightest = _tightest(held, metrics)
        if tightest is not None:
            found[f"x-ratelimit-limit-{kind}"] = str(tightest.limit)
            found[f"x-ratelimit-remaining-{kind}"] = str(tightest.remaining)
            found[f"x-ratelimit-reset-{kind}"] = duration(tightest.reset)
    return found


def anthropic(readings: Iterable[Reading], now: Instant) -> dict[str, str]:
    """`anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`; resets are RFC 3339."""
    held = tuple(readings)
    found: dict[str, str] = {}
    for kind, metrics in _ANTHROPIC.items():
        tightest = _tightest(held, metrics)
        if tightest is not None:
            found[f"anthropic-ratelimit-{kind}-limit"] = str(tightest.limit)
            found[f"anthropic-ratelimit-{kind}-remaining"] = str(tightest.remaining)
            found[f"anthropic-ratelimit-{kind}-reset"] = _second(_seconds(now + tightest.reset))
    return found


def ietf(readings: Iterable[Reading]) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers (September 2025); none for no limit.

    A metric that two limits count is listed twice, the wider one as `metric-scope`. Waiting calls are not listed.
    """
    names: set[str] = set()
    policies: list[str] = []
    states: list[str] = []
    for reading in readings:
        if reading.metric is Metric.QUEUED:
            continue
        name = f"{reading.metric}-{reading.scope}" if reading.metric in names else reading.metric.value
        names.add(name)
        policies.append(_policy(name, reading.metric, reading.limit, reading.window))
        reset = f";t={_seconds(reading.reset)}" if reading.window else ""
        states.append(f'"{name}";r={reading.remaining}{reset}')
    return {"ratelimit-policy": ", ".join(policies), "ratelimit": ", ".join(states)} if states else {}


@lru_cache(maxsize=4096)
def _policy(name: str, metric: Metric, limit: int, window: int) -> str:
    """The part that stays the same from answer to answer."""
    return f'"{name}";q={limit}{f";w={window // SECOND}" if window else ""}{_UNITS.get(metric, "")}'


def retry(wait: int | None, jitter: int = 0) -> dict[str, str]:
    """When to come again: microseconds, or None where the same call can never pass.

    `jitter`, between 0 and JITTER_MAX, is per mille that are added, though not beyond PATIENCE_MAX; never less than the
    wait, since who comes back early is refused again. Beyond a minute clients are told not to retry by themselves.
    """
    if wait is None:
        return {"x-should-retry": "false"}
    longer = -(-wait * (1000 + min(max(jitter, 0), JITTER_MAX)) // 1000)
    longer = max(wait, min(longer, PATIENCE_MAX))
    milliseconds = max(-(-longer // 1000), 1)
    told = {"retry-after": str(_seconds(milliseconds * 1000)), "retry-after-ms": str(milliseconds)}
    return told | {"x-should-retry": "false"} if longer > PATIENCE_MAX else told


def duration(microseconds: int) -> str:
    """As Go and OpenAI write it, rounded up to milliseconds: `6m0s`, `1h2m3s`, `1.5s`, `12ms`, `0s`."""
    milliseconds = -(-microseconds // 1000)
    if not milliseconds:
        return "0s"
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    hours, rest = divmod(milliseconds * 1000, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, fraction = divmod(rest // 1000, 1000)
    shown = f"{seconds}.{fraction:03}".rstrip("0") if fraction else str(seconds)
    return f"{f'{hours}h' if hours else ''}{f'{minutes}m' if hours or minutes else ''}{shown}s"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return format_instant(Instant(seconds * SECOND))


def _tightest(readings: Iterable[Reading], metrics: frozenset[Metric]) -> Reading | None:
    """Of these metrics, the limit of which the least share remains; of equals, the more specific."""
    tightest: Reading | None = None
    for reading in readings:
        if reading.metric not in metrics:
            continue
        if tightest is None or reading.remaining * max(tightest.burst, 1) < tightest.remaining * max(reading.burst, 1):
            tightest = reading
    return tightest


def _seconds(microseconds: int) -> int:
    return -(-microseconds // SECOND)
