"""Whatever a provider says it used (M1 to M6; ledger I16)."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings, strategies as st

from puyun.metering.reading import COUNT_MAX, _read_odd, read_openai
from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.usage import BUCKETS

NAMES = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "prompt_cache_hit_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
    "cached_tokens",
    "cache_write_tokens",
    "audio_tokens",
    "reasoning_tokens",
)

counts = st.integers(0, 40) | st.integers(-(2**70), 2**70) | st.just(COUNT_MAX) | st.just(COUNT_MAX + 1)
odd = st.none() | st.booleans() | counts | st.floats() | st.text(max_size=3)
anything = st.recursive(
    odd, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner), max_leaves=20
)
reports = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), anything)

small = st.integers(0, 50)
prompt_details = st.fixed_dictionaries(
    {}, optional={"cached_tokens": small, "cache_write_tokens": small, "audio_tokens": small}
)
completion_details = st.fixed_dictionaries({}, optional={"reasoning_tokens": small, "audio_tokens": small})
plausible = st.fixed_dictionaries(
    {"prompt_tokens": small, "completion_tokens": small},
    optional={
        "total_tokens": st.integers(0, 150),
        "prompt_cache_hit_tokens": small,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": completion_details,
    },
)


@settings(max_examples=500)
@given(reports | plausible)
def test_any_report_is_read_without_a_negative_and_without_an_exception(report: Mapping[str, Any]) -> None:
    reading = read_openai(report)
    assert all(getattr(reading.usage, bucket) >= 0 for bucket in BUCKETS)
    assert reading.usage.total <= 3 * COUNT_MAX
    assert reading == _read_odd(report)


@settings(max_examples=500)
@given(plausible)
def test_no_token_is_counted_twice(report: Mapping[str, Any]) -> None:
    """Buckets add up to prompt + completion, plus reasoning where the total says that it lies outside."""
    prompt, completion, total = report["prompt_tokens"], report["completion_tokens"], report.get("total_tokens", 0)
    usage, flags = read_openai(report).usage, read_openai(report).flags
    assert usage.input_tokens == prompt
    outside = usage.output_tokens - completion
    reasoning = report.get("completion_tokens_details", {}).get("reasoning_tokens", 0)
    assert outside in {0, reasoning}
    if flags == NO_FLAGS:
        assert usage.total in {prompt + completion, total}
        assert not total or usage.total == total
    if outside:
        assert total == prompt + completion + reasoning


@given(plausible)
def test_a_flagged_reading_is_never_the_dearer_one(report: Mapping[str, Any]) -> None:
    """M4: it counts no more than prompt + completion say, whatever the details and the total claim."""
    reading = read_openai(report)
    said = report["prompt_tokens"] + report["completion_tokens"]
    if reading.flags & Flag.ANOMALY and reading.usage.total != report.get("total_tokens"):
        assert reading.usage.total <= said
