"""Usage of Amazon Bedrock's Converse: `inputTokens` excludes what was read from and written to a cache."""

from typing import cast

from puyun.metering.reading import NOTHING, Reader, Reading, Report
from puyun.metering.usage import Usage

_READ = ("cacheReadInputTokens", "cacheReadInputTokenCount")
_WRITTEN = ("cacheWriteInputTokens", "cacheWriteInputTokenCount")
_KNOWN = frozenset({"inputTokens", "outputTokens", "totalTokens", "cacheDetails", *_READ, *_WRITTEN})


def read_bedrock(report: Report) -> Reading:
    """`cacheDetails` breaks the written tokens down by time to live. The total says where a model's family does not
    keep to the rule and counts cached tokens within `inputTokens`; that is flagged.
    """
    reader = Reader()
    reader.notice(report, _KNOWN)
    fresh, output = reader.count(report, "inputTokens"), reader.count(report, "outputTokens")
    cached = reader.count(report, *_READ)
    breakdown = {f"ephemeral_{ttl}_input_tokens": _lived(reader, report, ttl) for ttl in ("5m", "1h")}
    written, kept = reader.writes(reader.count(report, *_WRITTEN), breakdown)
    aside = cached + written + kept
    total = reader.count(report, "totalTokens")
    if total and total != fresh + output + aside:
        reader.anomaly()
        if total == fresh + output and aside <= fresh:
            fresh -= aside
    return reader.reading(
        Usage(input=fresh, cached_input=cached, cache_write=written, cache_write_1h=kept, output=output)
    )


def _lived(reader: Reader, report: Report, ttl: str) -> int:
    entries = report.get("cacheDetails")
    if not isinstance(entries, list):
        return 0
    details = [cast("Report", entry) if isinstance(entry, dict) else NOTHING for entry in cast("list[object]", entries)]
    return max((reader.count(detail, "inputTokens") for detail in details if detail.get("ttl") == ttl), default=0)
