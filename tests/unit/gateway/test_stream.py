"""A stream's way through: what the client sees, what is held back, and what is counted."""

import json

import pytest
from hypothesis import given, strategies as st

from puyun.catalog.model import Tier
from puyun.gateway.stream import StreamFilter
from puyun.metering.reading import Reading
from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.shapes.openai import read_gemini_openai
from puyun.metering.usage import NO_USAGE, Usage
from puyun.protocol import openai, sse

ROLE = b'data: {"id":"c1","model":"up","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
WORDS = [
    b'data: {"id":"c1","model":"up","choices":[{"delta":{"content":"%b"}}], "x":[ 1 ]}\n\n' % w for w in (b"He", b"llo")
]
STOP = b'data: {"id":"c1","model":"up","choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"id":"c1","model":"up","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n'
PING = b": keep-alive\n\n"
ERROR = b'data: {"error":{"message":"overloaded"}}\n\n'
WHOLE = ROLE + PING + b"".join(WORDS) + STOP + USAGE + sse.DONE


def filtered(*, wants_usage: bool = False, upstream: str = "up", public: str = "up") -> StreamFilter:
    return StreamFilter(tier=Tier.FLEX, names=openai.rename(upstream, public), wants_usage=wants_usage)


def fed(stream: bytes, size: int = 10**6, **how) -> tuple[bytes, StreamFilter]:
    events = filtered(**how)
    return b"".join(events.feed(stream[n : n + size]) for n in range(0, len(stream), size)), events


def told(stream: bytes) -> list:
    return [
        json.loads(data) for event in sse.EventSplitter().feed(stream) if (data := sse.payload(event)).startswith(b"{")
    ]


def test_events_pass_untouched_and_what_completes_the_answer_is_held_back() -> None:
    """I12. Only the first says which tier serves."""
    passed, events = fed(WHOLE)
    assert passed.endswith(PING + b"".join(WORDS) + STOP)
    assert told(passed)[0] == {**told(ROLE)[0], "service_tier": "flex"}
    assert events.complete
    assert events.done
    reading = events.close(99)
    assert reading == Reading(Usage(input=7, output=2), NO_FLAGS)
    assert events.ending(reading, "0.5") == sse.DONE


def test_a_client_that_asked_gets_the_usage_with_its_cost_at_the_end() -> None:
    """W5."""
    passed, events = fed(WHOLE, wants_usage=True)
    assert b"usage" not in passed
    *last, done = sse.EventSplitter().feed(events.ending(events.close(0), "0.5"))
    assert done == sse.DONE
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9, "cost": "0.5"}
    assert told(b"".join(last)) == [{**told(USAGE)[0], "usage": usage, "service_tier": "flex"}]


@pytest.mark.parametrize("wants_usage", [True, False])
def test_any_pieces_give_the_same(wants_usage: bool) -> None:
    whole, events = fed(WHOLE, wants_usage=wants_usage)
    for size in (*range(1, 40), 100, 1000):
        passed, again = fed(WHOLE, size, wants_usage=wants_usage)
        assert passed == whole
        assert again.close(3) == events.close(3)
        assert again.ending(again.close(3), "1") == events.ending(events.close(3), "1")


pieces = st.sampled_from(
    [ROLE, *WORDS, STOP, USAGE, PING, ERROR, sse.DONE, b"data: [1]\n\n", b"\n", b"data: {\n\n", b"x"]
)


@given(st.lists(pieces, max_size=12), st.integers(1, 60), st.booleans(), st.sampled_from([b"\n", b"\r\n"]))
def test_any_stream_in_any_pieces(parts: list[bytes], size: int, wants_usage: bool, end: bytes) -> None:
    stream = b"".join(parts).replace(b"\n", end)
    whole, events = fed(stream, wants_usage=wants_usage)
    passed, again = fed(stream, size, wants_usage=wants_usage)
    assert passed == whole
    assert (again.done, again.stopped, again.failed) == (events.done, events.stopped, events.failed)
    assert again.close(3) == events.close(3)


def test_our_name_of_the_model_stands_in_every_event_where_theirs_stood() -> None:
    """W4."""
    passed, events = fed(WHOLE, wants_usage=True, public="ours")
    every = told(passed + events.ending(events.close(0), "1"))
    assert {event["model"] for event in every} == {"ours"}
    dated, _ = fed(ROLE.replace(b'"up"', b'"up-2026"'), public="ours")
    assert told(dated)[0]["model"] == "up-2026"


def test_usage_beside_choices_passes_only_to_those_who_asked() -> None:
    """Such as vLLM's continuous statistics; the last report counts, and what the operator pays is not told."""
    first, last = (
        b'data: {"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":7,"completion_tokens":%d,"cost":9}}\n\n'
        % n
        for n in (1, 2)
    )
    passed, events = fed(first + last + STOP)
    assert b"usage" not in passed
    assert events.close(0).usage == Usage(input=7, output=2)
    passed, events = fed(first + last + STOP, wants_usage=True)
    assert [event["usage"] for event in told(passed)[:2]] == [
        {"prompt_tokens": 7, "completion_tokens": n} for n in (1, 2)
    ]
    ending = told(events.ending(events.close(0), "0.5"))
    assert ending[0]["usage"] == {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9, "cost": "0.5"}


def test_a_tier_that_the_provider_names_is_replaced_by_the_one_served() -> None:
    passed, _ = fed(ROLE + WORDS[0].replace(b'"x"', b'"service_tier":"default","x"'))
    assert [event["service_tier"] for event in told(passed)] == ["flex", "flex"]


def test_without_a_report_what_was_let_through_is_estimated_and_says_so() -> None:
    """M7."""
    _, events = fed(ROLE + b"".join(WORDS) + STOP + sse.DONE, wants_usage=True)
    reading = events.close(33)
    assert reading == Reading(Usage(input=33, output=2), Flag.ESTIMATED)  # five letters
    usage = {"prompt_tokens": 33, "completion_tokens": 2, "total_tokens": 35, "cost": "0.5"}
    assert told(events.ending(reading, "0.5")) == [
        {"id": "c1", "model": "up", "choices": [], "usage": usage, "service_tier": "flex"}
    ]


def reported(prompt: int, completion: int, words: bytes = b"") -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    choices = [{"delta": {"content": words.decode()}}] if words else []
    return b"data: " + json.dumps({"id": "c1", "model": "up", "choices": choices, "usage": usage}).encode() + b"\n\n"


@pytest.mark.parametrize(
    "reports",
    [
        USAGE + USAGE,
        reported(7, 1) + USAGE,
        reported(7, 1, b"H") + reported(7, 2, b"e") + USAGE,
        reported(0, 0) + reported(7, 0) + reported(0, 2),
        STOP + USAGE,
    ],
    ids=["twice", "early and late", "with every chunk", "in parts", "after the end"],
)
def test_several_reports_are_never_added_up(reports: bytes) -> None:
    """M9."""
    _, events = fed(ROLE + reports + STOP + sse.DONE)
    assert events.close(33) == Reading(Usage(input=7, output=2))


def test_a_report_of_nothing_beside_a_text_is_no_report() -> None:
    _, events = fed(ROLE + b"".join(WORDS) + STOP + reported(0, 0) + sse.DONE, wants_usage=True)
    reading = events.close(33)
    assert reading == Reading(Usage(input=33, output=2), Flag.ESTIMATED)
    assert told(events.ending(reading, "0.5"))[0]["usage"]["prompt_tokens"] == 33


def test_a_stream_that_was_cut_pays_its_last_report_and_the_text_after_it() -> None:
    """Policy 14: what the provider said counts, and only the rest is estimated."""
    _, events = fed(ROLE + reported(7, 90, b"many a word") + WORDS[0] + WORDS[1])
    assert not events.complete
    assert events.close(33) == Reading(Usage(input=7, output=91), Flag.ESTIMATED)
    _, events = fed(ROLE + WORDS[0] + reported(7, 90, b"many a word"))
    assert events.close(33) == Reading(Usage(input=7, output=90))


def test_the_provider_decides_how_its_reports_are_read() -> None:
    events = StreamFilter(tier=Tier.FLEX, names=openai.rename("up", "up"), wants_usage=False, read=read_gemini_openai)
    thoughts = USAGE.replace(b'"total_tokens":9', b'"total_tokens":30')
    events.feed(ROLE + STOP + thoughts + sse.DONE)
    assert events.close(0) == Reading(Usage(input=7, output=2, reasoning=21))


def test_letters_outside_ascii_are_taken_for_more() -> None:
    _, events = fed(WORDS[0].replace(b"He", "你好你好".encode()))
    assert events.close(0).usage.output == 4


def test_where_nothing_was_said_nothing_is_estimated() -> None:
    _, events = fed(ROLE)
    assert events.close(33) == Reading(NO_USAGE, Flag.ESTIMATED)
    assert not events.said


ENDINGS = [
    ("nothing", b"", False),
    ("a word", WORDS[0], False),
    ("a finish reason", STOP, True),
    ("done", sse.DONE, True),
    ("done without a space", b"data:[DONE]\n\n", True),
    ("usage alone", USAGE, False),
    ("an error after a word", WORDS[0] + ERROR, False),
    ("an error after the finish reason", STOP + ERROR, False),
    ("an error in words", b'data: {"error":"overloaded"}\n\n', False),
    ("no JSON", STOP + b"data: {broken\n\n", False),
    ("bad UTF-8", STOP + b'data: {"id":"\xff","choices":[{"delta":{"content":"\xff"}}]}\n\n', False),
    ("half an event", WORDS[0] + sse.DONE[:-1], False),
]


@pytest.mark.parametrize(("stream", "complete"), [row[1:] for row in ENDINGS], ids=[row[0] for row in ENDINGS])
def test_what_makes_an_answer_complete(stream: bytes, complete: bool) -> None:
    _, events = fed(stream)
    assert events.complete is complete


def test_nothing_passes_after_the_end_or_after_an_error() -> None:
    for end in (sse.DONE, ERROR):
        passed, events = fed(WORDS[0] + end + WORDS[1] + USAGE)
        assert len(told(passed)) == 1
        assert events.feed(WORDS[1]) == b""
        assert events.close(5).flags is Flag.ESTIMATED


def test_an_error_event_of_the_provider_does_not_reach_the_client() -> None:
    """The relay says it in its own words, with the request id."""
    passed, events = fed(ERROR)
    assert passed == b""
    assert events.failed


def test_json_of_a_shape_that_we_do_not_know_passes() -> None:
    strange = b'data: {"choices":"later","x":1}\n\n'
    assert fed(strange)[0] == strange


def test_blanks_before_the_json_do_not_hide_it_from_the_meter() -> None:
    passed, events = fed(USAGE.replace(b"data: {", b"data:   {") + sse.DONE.replace(b"]", b"] "))
    assert passed == b""
    assert (events.done, events.close(0).usage.total) == (True, 9)


def test_an_event_over_several_lines_stays_one() -> None:
    event = b'data: {"choices":[{"delta":\ndata: {"content":"a"}}]}\n\n'
    passed, events = fed(event)
    assert told(passed) == [{"choices": [{"delta": {"content": "a"}}], "service_tier": "flex"}]
    assert events.said
