"""Usage of the OpenAI dialect: chat, completions, embeddings, and all who answer in its shape.

`prompt_tokens` contains what its details name, `completion_tokens` too. The many compatible servers differ in where
else they put a detail (DeepSeek, Moonshot, Qwen, SGLang …): each such name stands for the same tokens, so the largest
counts. They differ too in whether reasoning lies inside `completion_tokens`: the total tells (the total rule).
"""

from collections.abc import Callable
from typing import Annotated

import msgspec

from puyun.metering.reading import COUNT_MAX, Reader, Reading, Report, part_of
from puyun.metering.usage import Usage

Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class _PromptDetails(msgspec.Struct):
    cached_tokens: Count | None = None
    audio_tokens: Count | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None


class _Plain(msgspec.Struct):
    """A report as most are: every number is sane, and nothing is reported that only some providers have."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    total_tokens: Count = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


_NO_PROMPT_DETAILS = _PromptDetails()
_NO_COMPLETION_DETAILS = _CompletionDetails()

_PLAIN = frozenset(_Plain.__struct_fields__)
_TEXT = {"text_tokens", "video_tokens"}
_PLAIN_PROMPT = frozenset(_PromptDetails.__struct_fields__) | _TEXT
_PLAIN_COMPLETION = frozenset(_CompletionDetails.__struct_fields__) | {
    "accepted_prediction_tokens",
    "rejected_prediction_tokens",
    "text_tokens",
}
"""Predictions that were rejected are output all the same."""

CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens")
WRITTEN = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")

_ASIDE = {"cost", "cost_details", "estimated_cost", "cost_in_usd_ticks", "is_byok"} | {
    f"{what}_time" for what in ("queue", "prompt", "completion", "total")
}
"""What providers tell of their own prices and clocks: no tokens."""

KNOWN = _PLAIN | {*CACHED, *WRITTEN, *_ASIDE, "cache_creation", "prompt_cache_miss_tokens", "reasoning_tokens"}
KNOWN_PROMPT = _PLAIN_PROMPT | {*CACHED, *WRITTEN, "cache_creation", "image_tokens"}
KNOWN_COMPLETION = _PLAIN_COMPLETION | {"image_tokens"}


def reader_at(host: str) -> Callable[[Report], Reading]:
    """Who reads the reports of a provider that speaks the OpenAI dialect at this host."""
    return read_gemini_openai if host.endswith(".googleapis.com") else read_openai


def read_openai(report: Report) -> Reading:
    """A report that is plain and adds up is read at once, any other one number by number."""
    if report.keys() <= _PLAIN:
        try:
            plain = msgspec.convert(report, _Plain)
        except msgspec.ValidationError:
            return _read_any(report)
        reading = _read_plain(report, plain)
        if reading is not None:
            return reading
    return _read_any(report)


def _read_plain(report: Report, plain: _Plain) -> Reading | None:
    prompts = plain.prompt_tokens_details or _NO_PROMPT_DETAILS
    completions = plain.completion_tokens_details or _NO_COMPLETION_DETAILS
    prompt, completion = plain.prompt_tokens, plain.completion_tokens
    cached, audio = prompts.cached_tokens or 0, prompts.audio_tokens or 0
    reasoning, audio_output = completions.reasoning_tokens or 0, completions.audio_tokens or 0
    fresh, said = prompt - cached - audio, completion - reasoning - audio_output
    if fresh < 0 or said < 0 or plain.total_tokens not in (0, prompt + completion):
        return None
    if plain.prompt_tokens_details and not report["prompt_tokens_details"].keys() <= _PLAIN_PROMPT:
        return None
    if plain.completion_tokens_details and not report["completion_tokens_details"].keys() <= _PLAIN_COMPLETION:
        return None
    usage = Usage(
        input=fresh,
        cached_input=cached,
        audio=audio,
        output=said,
        reasoning=reasoning,
        audio_output=audio_output,
    )
    return Reading(usage)


def read_gemini_openai(report: Report) -> Reading:
    """Gemini's endpoint in the OpenAI dialect: thoughts are in the total and may be named nowhere else."""
    reader = Reader()
    counts = [reader.count(report, f"{name}_tokens") for name in ("total", "prompt", "completion")]
    named = reader.count(part_of(report, "completion_tokens_details"), "reasoning_tokens")
    thoughts = counts[0] - counts[1] - counts[2]
    if reader.flags or named or thoughts <= 0:
        return read_openai(report)
    reading = read_openai({**report, "total_tokens": 0})
    return msgspec.structs.replace(reading, usage=msgspec.structs.replace(reading.usage, reasoning=thoughts))


def _read_any(report: Report) -> Reading:
    """Number by number: what cannot be counts as 0, what does not add up is read the cheaper way, and both say so."""
    reader = Reader()
    prompts = part_of(report, "prompt_tokens_details")
    completions = part_of(report, "completion_tokens_details")
    reader.notice(report, KNOWN)
    reader.notice(prompts, KNOWN_PROMPT)
    reader.notice(completions, KNOWN_COMPLETION)
    prompt, completion = reader.count(report, "prompt_tokens"), reader.count(report, "completion_tokens")
    hit, miss = reader.count(report, "prompt_cache_hit_tokens"), reader.count(report, "prompt_cache_miss_tokens")
    if miss and hit + miss != prompt:
        reader.anomaly()
    cached = reader.part(max(reader.count(report, *CACHED), reader.count(prompts, *CACHED)), prompt)
    told = [(reader.count(place, *WRITTEN), part_of(place, "cache_creation")) for place in (report, prompts)]
    written, kept = max(reader.writes(total, breakdown) for total, breakdown in told)
    written = reader.part(written, prompt - cached)
    kept = reader.part(kept, prompt - cached - written)
    audio = reader.part(reader.count(prompts, "audio_tokens"), prompt - cached - written - kept)
    image = reader.part(reader.count(prompts, "image_tokens"), prompt - cached - written - kept - audio)
    reasoning = max(reader.count(report, "reasoning_tokens"), reader.count(completions, "reasoning_tokens"))
    total = reader.count(report, "total_tokens")
    outside = total == prompt + completion + reasoning and reasoning > 0
    if not outside:
        reasoning = reader.part(reasoning, completion)
        if total and total != prompt + completion:
            reader.anomaly()
    rest = completion - (0 if outside else reasoning)
    audio_output = reader.part(reader.count(completions, "audio_tokens"), rest)
    return reader.reading(
        Usage(
            input=prompt - cached - written - kept - audio - image,
            cached_input=cached,
            cache_write=written,
            cache_write_1h=kept,
            audio=audio,
            image_input=image,
            output=rest - audio_output,
            reasoning=reasoning,
            audio_output=audio_output,
        )
    )
