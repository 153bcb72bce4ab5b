"""Usage as providers report it, put into buckets. Each row: what it is, the report, the buckets that are not 0, flags."""

import msgspec
import pytest

from puyun.metering.reading import COUNT_MAX, Reading
from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.shapes.openai import _read_any, read_gemini_openai, read_openai, reader_at
from puyun.metering.usage import Usage

SHAPES = """
OpenAI, plain
  {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}
  input=19 output=10
OpenAI, all details
  {"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306, "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}}
  input=86 cached_input=1920 output=300
OpenAI, reasoning inside completion
  {"prompt_tokens": 75, "completion_tokens": 1186, "total_tokens": 1261, "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 1024}}
  input=75 output=162 reasoning=1024
OpenAI, audio both ways
  {"prompt_tokens": 120, "completion_tokens": 200, "total_tokens": 320, "prompt_tokens_details": {"text_tokens": 20, "audio_tokens": 100, "cached_tokens": 0}, "completion_tokens_details": {"text_tokens": 40, "audio_tokens": 160}}
  input=20 audio=100 output=40 audio_output=160
OpenAI, embeddings
  {"prompt_tokens": 8, "total_tokens": 8}
  input=8
DeepSeek, cache hits at the top level
  {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050, "prompt_cache_hit_tokens": 896, "prompt_cache_miss_tokens": 104}
  input=104 cached_input=896 output=50
DeepSeek, the same hits told twice are counted once
  {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050, "prompt_cache_hit_tokens": 896, "prompt_tokens_details": {"cached_tokens": 896}, "completion_tokens_details": {"reasoning_tokens": 20}}
  input=104 cached_input=896 output=30 reasoning=20
OpenRouter, cache writes
  {"prompt_tokens": 500, "completion_tokens": 5, "total_tokens": 505, "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 300}}
  input=100 cached_input=100 cache_write=300 output=5
vLLM, nulls for details
  {"prompt_tokens": 7, "completion_tokens": 16, "total_tokens": 23, "prompt_tokens_details": null, "completion_tokens_details": null}
  input=7 output=16
vLLM, nulls within details
  {"prompt_tokens": 7, "completion_tokens": 16, "total_tokens": 23, "prompt_tokens_details": {"cached_tokens": null, "audio_tokens": null}}
  input=7 output=16
SGLang, nulls for counts
  {"prompt_tokens": 7, "completion_tokens": null, "total_tokens": 7}
  input=7
xAI, reasoning outside completion, inside the total
  {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135, "completion_tokens_details": {"reasoning_tokens": 94}}
  input=32 output=9 reasoning=94
Gemini's OpenAI endpoint, thoughts in the total and nowhere else: the cheaper reading
  {"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135}
  input=32 output=9 anomaly
no total
  {"prompt_tokens": 5, "completion_tokens": 6}
  input=5 output=6
a total below its parts
  {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 3}
  input=5 output=6 anomaly
nothing at all
  {}

zeroes
  {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}

more cached than there was
  {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11, "prompt_tokens_details": {"cached_tokens": 9}}
  cached_input=5 output=6 anomaly
cached and written and audio overlap
  {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10, "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 6, "audio_tokens": 6}}
  cached_input=6 cache_write=4 anomaly
more reasoning than was said
  {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 7}}
  input=1 reasoning=5 anomaly
reasoning and audio overlap
  {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 3}}
  input=1 reasoning=4 audio_output=1 anomaly
reasoning outside, and audio inside completion
  {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 3}}
  input=1 output=2 reasoning=4 audio_output=3
negative
  {"prompt_tokens": -5, "completion_tokens": 6, "total_tokens": 1}
  output=6 anomaly
a negative detail
  {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11, "prompt_tokens_details": {"cached_tokens": -3}}
  input=5 output=6 anomaly
a fraction
  {"prompt_tokens": 5.5, "completion_tokens": 6, "total_tokens": 11}
  output=6 anomaly
a number in quotes
  {"prompt_tokens": "5", "completion_tokens": 6, "total_tokens": 11}
  output=6 anomaly
true is no number
  {"prompt_tokens": true, "completion_tokens": 6}
  output=6 anomaly
beyond any model
  {"prompt_tokens": 30000001, "completion_tokens": 6}
  output=6 anomaly
at the limit
  {"prompt_tokens": 30000000, "completion_tokens": 6}
  input=30000000 output=6
details that are no details
  {"prompt_tokens": 5, "completion_tokens": 6, "prompt_tokens_details": [1, 2], "completion_tokens_details": "many"}
  input=5 output=6
other details of a prediction are part of the output
  {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14, "completion_tokens_details": {"rejected_prediction_tokens": 3}}
  input=5 output=9
images that the provider counts apart
  {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59, "prompt_tokens_details": {"image_tokens": 40}}
  input=10 image_input=40 output=9
writes that are kept for an hour
  {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59, "prompt_tokens_details": {"cache_creation_input_tokens": 30, "cache_creation": {"ephemeral_1h_input_tokens": 20, "ephemeral_5m_input_tokens": 10}}}
  input=20 cache_write=10 cache_write_1h=20 output=9
the same writes told in two places
  {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59, "cache_creation_input_tokens": 30, "prompt_tokens_details": {"cache_creation_tokens": 30}}
  input=20 cache_write=30 output=9
a breakdown of writes that is not their sum
  {"prompt_tokens": 50, "completion_tokens": 9, "prompt_tokens_details": {"cache_write_tokens": 30, "cache_creation": {"ephemeral_1h_input_tokens": 25, "ephemeral_5m_input_tokens": 10}}}
  input=20 cache_write=10 cache_write_1h=20 output=9 anomaly
hits and misses that are not the prompt
  {"prompt_tokens": 50, "completion_tokens": 9, "prompt_cache_hit_tokens": 20, "prompt_cache_miss_tokens": 20}
  input=30 cached_input=20 output=9 anomaly
an unknown figure
  {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11, "video_seconds": 3}
  input=5 output=6 unknown
an unknown detail, deep down
  {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11, "prompt_tokens_details": {"cached_tokens": 1, "extra": [{"n": 2}]}}
  input=4 cached_input=1 output=6 unknown
an unknown zero
  {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11, "video_seconds": 0, "completion_tokens_details": {"more": 0}}
  input=5 output=6
what we do not know and is no figure is left alone
  {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11, "cost": 0.5, "queue_time": "now", "x_groq": {"id": null}}
  input=5 output=6
"""


def rows() -> list[tuple[str, str, str]]:
    lines = SHAPES.strip("\n").split("\n")
    return [(lines[n], lines[n + 1], lines[n + 2]) for n in range(0, len(lines), 3)]


@pytest.mark.parametrize(("report", "expected"), [row[1:] for row in rows()], ids=[row[0] for row in rows()])
def test_shape(report: str, expected: str) -> None:
    words = expected.split()
    flags = Flag.ANOMALY if "anomaly" in words else Flag.UNKNOWN if "unknown" in words else NO_FLAGS
    buckets = {name: int(count) for name, _, count in (word.partition("=") for word in words) if count}
    decoded = msgspec.json.decode(report)
    reading = read_openai(decoded)
    assert msgspec.structs.replace(reading, unknown=()) == Reading(Usage(**buckets), flags)
    assert bool(reading.unknown) is ("unknown" in words)
    assert _read_any(decoded) == read_openai(decoded)


def test_the_limit_is_above_the_largest_context() -> None:
    assert COUNT_MAX >= 10_000_000


def test_the_names_of_unknown_figures_are_told_and_bounded() -> None:
    report = {f"meter_{n}" + "x" * 100: n for n in range(20)}
    reading = read_openai(report | {"deep": {"a": {"b": [1.5, True]}}})
    assert len(reading.unknown) == 8
    assert max(map(len, reading.unknown)) == 80
    assert read_openai({"deep": {"a": {"b": [1.5, True]}}}).unknown == ("deep.a.b",)


@pytest.mark.parametrize(
    ("report", "buckets"),
    [
        ({"prompt_tokens": 758, "completion_tokens": 102, "total_tokens": 1725}, (758, 102, 865)),
        ({"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}, (5, 6, 0)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 6,
                "total_tokens": 18,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            (5, 6, 7),
        ),
    ],
)
def test_thoughts_that_only_the_total_tells_of(report: dict[str, int], buckets: tuple[int, int, int]) -> None:
    usage, flags = read_gemini_openai(report).usage, read_gemini_openai(report).flags
    assert ((usage.input, usage.output, usage.reasoning), flags) == (buckets, NO_FLAGS)


def test_a_total_that_cannot_be_adds_no_thoughts() -> None:
    for total in (10**9, -1, "many", True):
        reading = read_gemini_openai({"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": total})
        assert (reading.usage, reading.flags) == (Usage(input=5, output=6), Flag.ANOMALY)


def test_the_host_tells_who_reads() -> None:
    assert reader_at("generativelanguage.googleapis.com") is read_gemini_openai
    assert reader_at("europe-west4-aiplatform.googleapis.com") is read_gemini_openai
    assert reader_at("api.openai.com") is reader_at("googleapis.com.evil.example") is reader_at("") is read_openai
