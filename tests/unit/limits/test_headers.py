"""Headers as clients read them."""

import pytest
from rulebook import at, claim, policy

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant, parse_instant
from puyun.limits import headers
from puyun.limits.limits import Limits
from puyun.limits.passed import Passed
from puyun.limits.reading import Reading

NOW = parse_instant("2026-11-25T03:04:05.5Z")

BOOK = """
tier flex rpm 300 burst 10
tier flex itpm 600000
tier flex otpm 120000
tier flex in_flight 16
tier flex queued 32
"""


def readings(book: str, *, input: int = 1000, output: int = 60_000) -> tuple[Reading, ...]:  # noqa: A002 - tokens
    passed = Limits(policy(book)).check(claim(1, 7, 1, 1, Tier.FLEX, input, output), NOW)
    assert isinstance(passed, Passed)
    return passed.readings


def test_openai() -> None:
    assert headers.openai(readings(BOOK)) == {
        "x-ratelimit-limit-requests": "300",
        "x-ratelimit-remaining-requests": "49",
        "x-ratelimit-reset-requests": "200ms",
        "x-ratelimit-limit-tokens": "120000",
        "x-ratelimit-remaining-tokens": "60000",
        "x-ratelimit-reset-tokens": "30s",
    }


def test_openai_shows_the_most_restrictive_limit_of_each_kind() -> None:
    book = f"{BOOK}\norg 7 rpd 10\norg 7 tpd 1000000\nkey 1 rpm 60 burst 60"
    shown = headers.openai(readings(book))
    assert shown["x-ratelimit-limit-requests"] == "10"
    assert shown["x-ratelimit-reset-requests"] == "2h24m0s"
    assert shown["x-ratelimit-limit-tokens"] == "120000"
    assert headers.openai(readings("org 7 rpm 0\norg 7 rpd 9"[12:]))["x-ratelimit-remaining-requests"] == "8"


def test_no_limit_no_headers() -> None:
    assert headers.openai(()) == headers.anthropic((), NOW) == headers.ietf(()) == {}
    assert set(headers.openai(readings("org 7 itpm 5000"))) == {
        f"x-ratelimit-{what}-tokens" for what in ("limit", "remaining", "reset")
    }
    assert headers.ietf(readings("org 7 queued 5")) == {}


def test_anthropic() -> None:
    assert headers.anthropic(readings(BOOK), NOW) == {
        "anthropic-ratelimit-requests-limit": "300",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2026-11-25T03:04:06Z",
        "anthropic-ratelimit-tokens-limit": "120000",
        "anthropic-ratelimit-tokens-remaining": "60000",
        "anthropic-ratelimit-tokens-reset": "2026-11-25T03:04:36Z",
        "anthropic-ratelimit-input-tokens-limit": "600000",
        "anthropic-ratelimit-input-tokens-remaining": "599000",
        "anthropic-ratelimit-input-tokens-reset": "2026-11-25T03:04:06Z",
        "anthropic-ratelimit-output-tokens-limit": "120000",
        "anthropic-ratelimit-output-tokens-remaining": "60000",
        "anthropic-ratelimit-output-tokens-reset": "2026-11-25T03:04:36Z",
    }


def test_ietf() -> None:
    assert headers.ietf(readings(f"{BOOK}\nkey 1 rpm 60\norg 7 rpd 9")) == {
        "ratelimit-policy": '"rpm";q=60;w=60, "rpm-tier";q=300;w=60, "itpm";q=600000;w=60;qu="tokens", '
        '"otpm";q=120000;w=60;qu="tokens", "rpd";q=9;w=86400, "in_flight";q=16;qu="concurrent-requests"',
        "ratelimit": '"rpm";r=9;t=1, "rpm-tier";r=49;t=1, "itpm";r=599000;t=1, "otpm";r=60000;t=30, "rpd";r=8;t=9600, '
        '"in_flight";r=15',
    }


def test_a_debt_is_nothing_remaining() -> None:
    limits = Limits(policy("org 7 otpm 600"))
    passed = limits.check(claim(1, 7, 1, 1, Tier.FLEX, 0, 1), Instant(0))
    limits.correct(1, 0, 900, Instant(0))
    assert isinstance(passed, Passed)
    assert headers.openai(passed.readings) == {
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1m30s",
    }


@pytest.mark.parametrize(
    ("wait", "jitter", "expected"),
    [
        (1, 0, {"retry-after": "1", "retry-after-ms": "1"}),
        (0, 0, {"retry-after": "1", "retry-after-ms": "1"}),
        (1_000_000, 0, {"retry-after": "1", "retry-after-ms": "1000"}),
        (1_000_001, 0, {"retry-after": "2", "retry-after-ms": "1001"}),
        (1_000_000, 200, {"retry-after": "2", "retry-after-ms": "1200"}),
        (1_000_000, 9999, {"retry-after": "2", "retry-after-ms": "1200"}),
        (1_000_000, -500, {"retry-after": "1", "retry-after-ms": "1000"}),
        (60_000_000, 0, {"retry-after": "60", "retry-after-ms": "60000"}),
        (60_000_001, 0, {"retry-after": "61", "retry-after-ms": "60001", "x-should-retry": "false"}),
        (55_000_000, 100, {"retry-after": "60", "retry-after-ms": "60000"}),
        (None, 100, {"x-should-retry": "false"}),
    ],
)
def test_when_to_come_again(wait: int | None, jitter: int, expected: dict[str, str]) -> None:
    assert headers.retry(wait, jitter) == expected


@pytest.mark.parametrize(
    ("microseconds", "expected"),
    [
        (0, "0s"),
        (1, "1ms"),
        (12_000, "12ms"),
        (999_001, "1s"),
        (1_000_000, "1s"),
        (1_500_000, "1.5s"),
        (59_951_000, "59.951s"),
        (360_000_000, "6m0s"),
        (432_000_000, "7m12s"),
        (3_723_000_000, "1h2m3s"),
        (86_400_000_000, "24h0m0s"),
    ],
)
def test_durations_as_go_writes_them(microseconds: int, expected: str) -> None:
    assert headers.duration(microseconds) == expected


def test_a_call_that_waits_as_told_passes() -> None:
    """`retry-after-ms` and `retry-after` are never too short, for any amount."""
    for amount in (1, 7, 13, 59, 61, 997):
        limits = Limits(policy(f"org 7 rpm {amount} burst 1"))
        limits.check(claim(1, 7, 1, 1, Tier.FLEX, 0, 0), at(3))
        over = limits.check(claim(2, 7, 1, 1, Tier.FLEX, 0, 0), at(3))
        while not isinstance(over, Passed):
            told = headers.retry(over.wait)
            later = Instant(at(3) + int(told["retry-after-ms"]) * 1000)
            assert int(told["retry-after"]) * 1_000_000 >= (over.wait or 0)
            over = limits.check(claim(2, 7, 1, 1, Tier.FLEX, 0, 0), later)
            assert isinstance(over, Passed)
