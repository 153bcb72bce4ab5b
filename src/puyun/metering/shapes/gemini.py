"""Usage of Gemini's `usageMetadata`: thoughts and tools' prompts lie outside, what was cached lies inside the prompt."""

from typing import cast

from puyun.metering.reading import NOTHING, Reader, Reading, Report
from puyun.metering.usage import Usage

_DETAILS = ("promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails", "toolUsePromptTokensDetails")
_KNOWN = frozenset(
    {
        "promptTokenCount",
        "cachedContentTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "toolUsePromptTokenCount",
        "totalTokenCount",
        *_DETAILS,
    }
)


def read_gemini(report: Report) -> Reading:
    """input = prompt - cached + tools' prompts; output = candidates; reasoning = thoughts.

    The details break the same tokens down by modality. Each chunk of a stream reports all so far: the last one counts.
    """
    reader = Reader()
    reader.notice(report, _KNOWN)
    prompt, tools = reader.count(report, "promptTokenCount"), reader.count(report, "toolUsePromptTokenCount")
    said, thoughts = reader.count(report, "candidatesTokenCount"), reader.count(report, "thoughtsTokenCount")
    total = reader.count(report, "totalTokenCount")
    if total and total != prompt + tools + said + thoughts:
        reader.anomaly()
        if total == prompt + tools + said:  # thoughts were counted among the candidates
            thoughts = reader.part(thoughts, said)
            said -= thoughts
        elif total == prompt + said + thoughts:  # the tools' prompts were counted within the prompt
            tools = 0
    cached = reader.part(reader.count(report, "cachedContentTokenCount"), prompt)
    fresh = prompt - cached
    audio = reader.part(_fresh(reader, report, "AUDIO"), fresh)
    image = reader.part(_fresh(reader, report, "IMAGE"), fresh - audio)
    spoken = reader.part(_modality(reader, report, "candidatesTokensDetails", "AUDIO"), said)
    return reader.reading(
        Usage(
            input=fresh - audio - image + tools,
            cached_input=cached,
            audio=audio,
            image_input=image,
            output=said - spoken,
            reasoning=thoughts,
            audio_output=spoken,
        )
    )


def _fresh(reader: Reader, report: Report, modality: str) -> int:
    """Prompt tokens of a modality that were not read from the cache."""
    prompt = _modality(reader, report, "promptTokensDetails", modality)
    return max(prompt - _modality(reader, report, "cacheTokensDetails", modality), 0)


def _modality(reader: Reader, report: Report, name: str, modality: str) -> int:
    entries = report.get(name)
    if not isinstance(entries, list):
        return 0
    found = 0
    for entry in cast("list[object]", entries):
        detail = cast("Report", entry) if isinstance(entry, dict) else NOTHING
        if detail.get("modality") == modality:
            found = max(found, reader.count(detail, "tokenCount"))
    return found
