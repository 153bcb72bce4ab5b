import pytest
from hypothesis import given, strategies as st

from puyun.providers.pressure import WAIT_MAX, exhausted_of, retry_after, room_of, span_of

SECOND = 1_000_000

WAITS = [
    ({}, None),
    ({b"retry-after": b"3"}, 3 * SECOND),
    ({b"retry-after": b"0.5"}, SECOND // 2),
    ({b"retry-after": b"3", b"retry-after-ms": b"250"}, SECOND // 4),
    ({b"retry-after": b"Wed, 25 Nov 2026 00:00:00 GMT"}, None),
    ({b"retry-after": b"-3"}, None),
    ({b"retry-after": b"nan"}, None),
    ({b"retry-after": b"999999999"}, WAIT_MAX),
    ({b"retry-after": b"9" * 400}, None),
    ({b"x-ratelimit-remaining-tokens": b"0", b"x-ratelimit-reset-tokens": b"1m2s"}, 62 * SECOND),
    ({b"x-ratelimit-remaining-tokens": b"4", b"x-ratelimit-reset-tokens": b"1m2s"}, None),
    ({b"x-ratelimit-remaining-requests": b"0", b"x-ratelimit-reset-requests": b"soon"}, None),
]


@pytest.mark.parametrize(("headers", "wait"), WAITS)
def test_when_to_come_again(headers: dict[bytes, bytes], wait: int | None) -> None:
    assert retry_after(headers) == wait


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("6m0s", 360 * SECOND),
        ("12ms", 12_000),
        ("2m3.5s", 123 * SECOND + SECOND // 2),
        ("0s", 0),
        ("1s200ms", 1_200_000),
        ("", None),
        ("6", None),
        ("6m0", None),
        ("-1s", None),
        ("99999h", WAIT_MAX),
    ],
)
def test_spans(text: str, span: int | None) -> None:
    assert span_of(text) == span


def test_what_is_left_in_both_dialects() -> None:
    openai = room_of(
        {
            b"x-ratelimit-limit-requests": b"500",
            b"x-ratelimit-remaining-requests": b"499",
            b"x-ratelimit-limit-tokens": b"30000",
            b"x-ratelimit-remaining-tokens": b"many",
        }
    )
    assert openai is not None
    assert (openai.limit, openai.remaining) == ({"rpm": 500, "itpm": 30_000}, {"rpm": 499})
    anthropic = room_of(
        {
            b"anthropic-ratelimit-requests-remaining": b"0",
            b"anthropic-ratelimit-input-tokens-remaining": b"7",
            b"anthropic-ratelimit-output-tokens-limit": b"8",
        }
    )
    assert anthropic is not None
    assert (anthropic.limit, anthropic.remaining) == ({"otpm": 8}, {"rpm": 0, "itpm": 7})
    assert room_of({b"content-type": b"x"}) is None


def test_the_bucket_that_ran_out_is_named() -> None:
    assert exhausted_of({b"x-ratelimit-remaining-requests": b"1", b"x-ratelimit-remaining-tokens": b"0"}) == "itpm"
    assert exhausted_of({b"x-ratelimit-remaining-requests": b"1"}) is None


@given(
    st.dictionaries(
        st.sampled_from([b"retry-after", b"retry-after-ms", b"x-ratelimit-remaining-requests"]), st.binary()
    )
)
def test_whatever_a_provider_says_is_survived(headers: dict[bytes, bytes]) -> None:
    wait = retry_after(headers)
    assert wait is None or 0 <= wait <= WAIT_MAX
    room_of(headers)
