"""Usage of Anthropic's Messages, whole or from the events of a stream."""

from puyun.metering.reading import Reader, Reading, Report, part_of
from puyun.metering.usage import Usage

_KNOWN = frozenset(
    {
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "cache_creation",
        "output_tokens",
        "output_tokens_details",
        "iterations",
    }
)
"""`iterations` is a breakdown by turns of the same tokens. Not `server_tool_use`: searches cost, and have no meter."""

_KNOWN_OUTPUT = frozenset({"thinking_tokens", "reasoning_tokens"})


def read_anthropic(report: Report) -> Reading:
    """`input_tokens` excludes what was read from and written to a cache; `output_tokens` includes thinking.

    `cache_creation` breaks the written ones down by how long they are kept, and is never added to them. Events of a
    stream repeat the counts, ever growing: `metering.series` keeps the largest.
    """
    reader = Reader()
    details = part_of(report, "output_tokens_details")
    reader.notice(report, _KNOWN)
    reader.notice(details, _KNOWN_OUTPUT)
    total = reader.count(report, "cache_creation_input_tokens")
    written, kept = reader.writes(total, part_of(report, "cache_creation"))
    output = reader.count(report, "output_tokens")
    thinking = reader.part(reader.count(details, *_KNOWN_OUTPUT), output)
    return reader.reading(
        Usage(
            input=reader.count(report, "input_tokens"),
            cached_input=reader.count(report, "cache_read_input_tokens"),
            cache_write=written,
            cache_write_1h=kept,
            output=output - thinking,
            reasoning=thinking,
        )
    )
