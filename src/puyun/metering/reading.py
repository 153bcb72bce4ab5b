"""Reading a provider's usage report into disjoint buckets, whatever its shape and however wrong.

Rules: ledger invariant I16; a bucket is never negative, never counted twice, and the sum is the provider's total, or
the reading says ANOMALY and takes the cheaper side.
"""

from collections.abc import Mapping
from typing import Annotated, Any, cast

import msgspec

from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.usage import Usage

COUNT_MAX = 30_000_000
"""No single call has more tokens of one kind; a larger number is a provider's mistake."""


class Reading(msgspec.Struct, frozen=True):
    usage: Usage
    flags: Flag = NO_FLAGS


Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class _PromptDetails(msgspec.Struct):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    audio_tokens: Count | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None


class _Report(msgspec.Struct):
    """A report whose every number is sane."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    total_tokens: Count = 0
    prompt_cache_hit_tokens: Count | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


_NO_PROMPT_DETAILS = _PromptDetails()
_NO_COMPLETION_DETAILS = _CompletionDetails()


def read_openai(report: Mapping[str, Any]) -> Reading:
    """Usage of the OpenAI dialect: prompt and completion contain their details.

    Providers differ in whether reasoning lies inside completion_tokens; the total tells (the total rule). A report that
    adds up is read at once, any other one number by number.
    """
    try:
        sane = msgspec.convert(report, _Report)
    except msgspec.ValidationError:
        return _read_odd(report)
    prompts = sane.prompt_tokens_details or _NO_PROMPT_DETAILS
    completions = sane.completion_tokens_details or _NO_COMPLETION_DETAILS
    prompt, completion = sane.prompt_tokens, sane.completion_tokens
    cached = max(prompts.cached_tokens or 0, sane.prompt_cache_hit_tokens or 0)
    written, audio = prompts.cache_write_tokens or 0, prompts.audio_tokens or 0
    reasoning, audio_output = completions.reasoning_tokens or 0, completions.audio_tokens or 0
    fresh, said = prompt - cached - written - audio, completion - reasoning - audio_output
    if fresh < 0 or said < 0 or sane.total_tokens not in (0, prompt + completion):
        return _read_odd(report)
    return Reading(
        Usage(
            input=fresh,
            cached_input=cached,
            cache_write=written,
            audio=audio,
            output=said,
            reasoning=reasoning,
            audio_output=audio_output,
        )
    )


def _read_odd(report: Mapping[str, Any]) -> Reading:
    """A report with a number that cannot be, or that does not add up."""
    reader = _Reader()
    prompt = reader.count(report, "prompt_tokens")
    completion = reader.count(report, "completion_tokens")
    total = reader.count(report, "total_tokens")
    prompts = _details(report, "prompt_tokens_details")
    completions = _details(report, "completion_tokens_details")
    cached = max(reader.count(prompts, "cached_tokens"), reader.count(report, "prompt_cache_hit_tokens"))
    cached = reader.part(cached, prompt)
    written = reader.part(reader.count(prompts, "cache_write_tokens"), prompt - cached)
    audio = reader.part(reader.count(prompts, "audio_tokens"), prompt - cached - written)
    reasoning = reader.count(completions, "reasoning_tokens")
    outside = total == prompt + completion + reasoning and reasoning > 0
    if not outside:
        reasoning = reader.part(reasoning, completion)
        if total and total != prompt + completion:
            reader.anomaly()
    audio_output = reader.part(reader.count(completions, "audio_tokens"), completion - (0 if outside else reasoning))
    output = completion - audio_output - (0 if outside else reasoning)
    usage = Usage(
        input=prompt - cached - written - audio,
        cached_input=cached,
        cache_write=written,
        audio=audio,
        output=output,
        reasoning=reasoning,
        audio_output=audio_output,
    )
    return Reading(usage, reader.flags)


class _Reader:
    def __init__(self) -> None:
        self.flags = NO_FLAGS

    def anomaly(self) -> None:
        self.flags |= Flag.ANOMALY

    def count(self, report: Mapping[str, Any], name: str) -> int:
        """A token count; anything but a sane whole number counts as 0 and is flagged, absence is not."""
        value = report.get(name)
        if value is None:
            return 0
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= COUNT_MAX:
            self.anomaly()
            return 0
        return value

    def part(self, value: int, whole: int) -> int:
        """A detail can't exceed what it is a detail of."""
        if value > whole:
            self.anomaly()
            return max(whole, 0)
        return value


def _details(report: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = report.get(name)
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
