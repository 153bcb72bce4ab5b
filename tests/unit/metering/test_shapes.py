"""Every shape in tests/data/usage, read as its row of expected.txt says; every report of it read in any company."""

from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import msgspec
import pytest

from puyun.metering.reading import Reading, Report
from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.series import Rule, Series
from puyun.metering.shapes.anthropic import read_anthropic
from puyun.metering.shapes.bedrock import read_bedrock
from puyun.metering.shapes.gemini import read_gemini
from puyun.metering.shapes.llamacpp import read_timings
from puyun.metering.shapes.openai import read_gemini_openai, read_openai
from puyun.metering.shapes.responses import read_responses
from puyun.metering.usage import Usage

USAGE = Path(__file__).parents[2] / "data" / "usage"

READERS: dict[str, Callable[[Report], Reading]] = {
    "openai": read_openai,
    "gemini-openai": read_gemini_openai,
    "responses": read_responses,
    "anthropic": read_anthropic,
    "gemini": read_gemini,
    "bedrock": read_bedrock,
    "timings": read_timings,
}

ROWS = [
    [cell.strip() for cell in line.split("|")] for line in (USAGE / "expected.txt").read_text("utf-8").splitlines()[1:]
]


def reports(file: str) -> list[Report]:
    found = msgspec.json.decode((USAGE / f"{file}.json").read_bytes())
    return found if isinstance(found, list) else [found]


def read(file: str, reader: str, order: list[Report]) -> Reading | None:
    series = Series(Rule.LAST if reader == "gemini" else Rule.LARGEST)
    for report in order:
        series.add(READERS[reader](report))
    return series.reading


def reading_of(buckets: str, odd: str) -> Reading:
    flags, words = NO_FLAGS, odd.split()
    if "anomaly" in words:
        flags |= Flag.ANOMALY
    unknown = tuple(words[words.index("unknown") + 1 :]) if "unknown" in words else ()
    if unknown:
        flags |= Flag.UNKNOWN
    pairs = (word.split("=") for word in buckets.split())
    return Reading(Usage(**{bucket: int(tokens) for bucket, tokens in pairs}), flags, unknown)


@pytest.mark.parametrize(("file", "reader", "buckets", "odd"), ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_a_shape_is_read_as_the_table_says(file: str, reader: str, buckets: str, odd: str) -> None:
    assert read(file, reader, reports(file)) == reading_of(buckets, odd)


def test_every_file_has_its_row() -> None:
    assert {row[0] for row in ROWS} == {path.stem for path in USAGE.glob("*.json")}
    assert {row[1] for row in ROWS} == set(READERS)


@pytest.mark.parametrize("file", ["anthropic-stream", "anthropic-stream-tools", "anthropic-stream-repeated"])
def test_reports_that_come_late_or_twice_make_no_difference_to_what_is_counted(file: str) -> None:
    expected = read(file, "anthropic", reports(file))
    assert expected is not None
    for order in permutations(reports(file)):
        found = read(file, "anthropic", [*order, *order])
        assert found is not None
        assert found.usage == expected.usage
