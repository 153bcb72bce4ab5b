"""Whatever a provider says it used (M1 to M10; ledger I10, I16)."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from puyun.kit.money import charge_of
from puyun.ledger.book import Book, Wallet
from puyun.ledger.command import Grow, Held, Hold, Settle, Settled
from puyun.ledger.hold import Status
from puyun.metering.reading import COUNT_MAX, NAME_MAX, UNKNOWN_MAX, Reading
from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.series import Rule, Series
from puyun.metering.shapes.anthropic import read_anthropic
from puyun.metering.shapes.bedrock import read_bedrock
from puyun.metering.shapes.gemini import read_gemini
from puyun.metering.shapes.llamacpp import read_timings
from puyun.metering.shapes.openai import _read_any, read_gemini_openai, read_openai
from puyun.metering.shapes.responses import read_responses
from puyun.metering.usage import BUCKETS, INPUT_BUCKETS, OUTPUT_BUCKETS
from puyun.pricing.pricebook import Rate, _rates
from puyun.pricing.rate import rate

READERS = (
    read_openai,
    read_gemini_openai,
    read_responses,
    read_anthropic,
    read_gemini,
    read_bedrock,
    read_timings,
)

OPENAI = ("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details")
NAMES = (
    *OPENAI,
    *(name.replace("prompt", "input").replace("completion", "output") for name in OPENAI),
    *("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "reasoning_tokens"),
    *("prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cache_creation", "output_tokens_details"),
    *("cache_creation_input_tokens", "cache_read_input_tokens", "thinking_tokens"),
    *("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
    *("promptTokenCount", "candidatesTokenCount", "totalTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount"),
    *("cachedContentTokenCount", "promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails"),
    *("modality", "tokenCount", "inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens"),
    *("cacheWriteInputTokens", "cacheDetails", "ttl", "prompt_n", "cache_n", "predicted_n"),
)

counts = st.integers(0, 40) | st.integers(-(2**70), 2**70) | st.just(COUNT_MAX) | st.just(COUNT_MAX + 1)
words = st.sampled_from(("AUDIO", "IMAGE", "1h", "5m")) | st.text(max_size=3)
odd = st.none() | st.booleans() | counts | st.floats() | words
anything = st.recursive(
    odd, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner), max_leaves=20
)
reports = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), anything)

small = st.integers(0, 50)


def some(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, small))


plausible = st.fixed_dictionaries(
    {"prompt_tokens": small, "completion_tokens": small},
    optional={
        "total_tokens": st.integers(0, 150),
        "prompt_cache_hit_tokens": small,
        "prompt_tokens_details": some("cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"),
        "completion_tokens_details": some("reasoning_tokens", "audio_tokens"),
    },
)

details = st.lists(
    st.fixed_dictionaries({"modality": st.sampled_from(("TEXT", "AUDIO", "IMAGE")), "tokenCount": small}), max_size=3
)
googles = st.fixed_dictionaries(
    {"promptTokenCount": small, "candidatesTokenCount": small},
    optional={
        "totalTokenCount": st.integers(0, 200),
        "thoughtsTokenCount": small,
        "toolUsePromptTokenCount": small,
        "cachedContentTokenCount": small,
        "promptTokensDetails": details,
        "cacheTokensDetails": details,
        "candidatesTokensDetails": details,
    },
)


@settings(max_examples=300)
@pytest.mark.parametrize("read", READERS)
@given(report=reports | plausible | googles)
def test_any_report_is_read_without_a_negative_and_without_an_exception(
    read: Callable[[Mapping[str, Any]], Reading], report: Mapping[str, Any]
) -> None:
    reading = read(report)
    assert all(getattr(reading.usage, bucket) >= 0 for bucket in BUCKETS)
    assert max(reading.usage.input_tokens, reading.usage.output_tokens) <= COUNT_MAX
    assert bool(reading.unknown) is bool(reading.flags & Flag.UNKNOWN)
    assert len(reading.unknown) <= UNKNOWN_MAX
    assert all(len(name) <= NAME_MAX for name in reading.unknown)


@settings(max_examples=500)
@given(reports | plausible)
def test_the_quick_way_and_the_careful_way_agree(report: Mapping[str, Any]) -> None:
    assert read_openai(report) == _read_any(report)


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


@settings(max_examples=500)
@given(googles)
def test_no_token_of_gemini_s_is_counted_twice(report: Mapping[str, Any]) -> None:
    prompt, tools = report["promptTokenCount"], report.get("toolUsePromptTokenCount", 0)
    said, thoughts = report["candidatesTokenCount"], report.get("thoughtsTokenCount", 0)
    usage, flags = read_gemini(report).usage, read_gemini(report).flags
    assert usage.input_tokens in {prompt, prompt + tools}
    assert usage.output_tokens in {said, said + thoughts}
    if flags == NO_FLAGS:
        assert usage.total == prompt + tools + said + thoughts == (report.get("totalTokenCount", 0) or usage.total)


@settings(max_examples=300)
@given(some("input_tokens", "cache_read_input_tokens", "output_tokens"), small, small, small)
def test_a_breakdown_of_cache_writes_is_never_added_to_them(
    report: dict[str, int], total: int, five: int, hour: int
) -> None:
    broken = {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour}
    reading = read_anthropic(report | {"cache_creation_input_tokens": total, "cache_creation": broken})
    written = reading.usage.cache_write + reading.usage.cache_write_1h
    assert written == (total or five + hour)
    assert reading.usage.cache_write_1h <= hour
    assert (reading.flags == NO_FLAGS) is (not total or not five + hour or total == five + hour)


@given(plausible)
def test_a_flagged_reading_is_never_the_dearer_one(report: Mapping[str, Any]) -> None:
    """M4: it counts no more than prompt + completion say, whatever the details and the total claim."""
    reading = read_openai(report)
    said = report["prompt_tokens"] + report["completion_tokens"]
    if reading.flags & Flag.ANOMALY and reading.usage.total != report.get("total_tokens"):
        assert reading.usage.total <= said


@settings(max_examples=300)
@given(st.sampled_from(Rule), st.lists(plausible, min_size=1, max_size=5))
def test_several_reports_come_to_no_more_than_one_of_them_on_either_side(
    rule: Rule, several: list[Mapping[str, Any]]
) -> None:
    series, readings = Series(rule), [read_openai(report) for report in several]
    for reading in readings:
        series.add(reading)
    found = series.reading
    assert found is not None
    for buckets in (INPUT_BUCKETS, OUTPUT_BUCKETS):
        sides = [tuple(getattr(reading.usage, bucket) for bucket in buckets) for reading in (found, *readings)]
        assert sides[0] in sides[1:]
        if rule is Rule.LARGEST:
            assert sum(sides[0]) == max(map(sum, sides[1:]))


prices = st.dictionaries(st.sampled_from(BUCKETS), st.integers(0, 10**9)).map(
    lambda own: _rates({meter: Rate(price, 1) for meter, price in own.items()}, "", None)
)
amounts = st.integers(0, 10**12)


@settings(max_examples=500)
@given(
    read=st.sampled_from(READERS),
    report=reports | plausible | googles,
    rates=prices,
    wallet=amounts,
    hold=amounts,
    steps=st.lists(amounts, max_size=3),
)
def test_no_report_whatsoever_makes_a_charge_that_was_not_held_for(
    read, report: Mapping[str, Any], rates, wallet: int, hold: int, steps: list[int]
) -> None:
    """From the provider's JSON to the wallet: never negative, never above hold, growth and what the wallet has beside."""
    book = Book({7: Wallet(7, paid=wallet)})
    held = 0
    for number, amount in enumerate([hold, *steps]):
        command = Grow(7, 1, 70, amount) if number else Hold(7, 1, 70, amount, 1, "flex")
        outcome = book.apply(command)
        held = outcome.amount if isinstance(outcome, Held) else held
    exact = rate(read(report).usage, rates).exact
    settled = book.apply(Settle(7, 1, 70, "flex", Status.COMPLETED, charge_of(exact)))
    if isinstance(settled, Settled):
        assert 0 <= settled.charge <= min(charge_of(exact), wallet)
        assert settled.charge <= held or book.wallets[7].available == wallet - settled.charge
    assert book.wallets[7].paid >= 0
    assert book.wallets[7].held == 0
