import json

import msgspec
import pytest
from hypothesis import given, strategies as st

from puyun.metering.record import NO_FLAGS
from puyun.metering.shapes.openai import read_openai
from puyun.protocol.sse import EventSplitter, payload
from puyun.providers import echo

CHAT, COMPLETION, EMBEDDING = "/chat/completions", "/completions", "/embeddings"


def told(path: str, **fields) -> dict:
    return json.loads(echo.answer(path, msgspec.json.encode({"model": "e"} | fields), "c1"))


def streamed(path: str, **fields) -> list[dict]:
    stream = b"".join(echo.events(path, msgspec.json.encode({"model": "e"} | fields), "c1"))
    *events, done = [payload(event) for event in EventSplitter().feed(stream)]
    assert done == b"[DONE]"
    return [json.loads(event) for event in events]


def test_it_says_back_the_last_message_and_counts_words() -> None:
    answer = told(CHAT, messages=[{"role": "system", "content": "be kind"}, {"role": "user", "content": "how are you"}])
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "how are you"}
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    assert (answer["id"], answer["model"], answer["object"]) == ("c1", "e", "chat.completion")


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_it_stops_where_it_is_told(name: str) -> None:
    answer = told(CHAT, messages=[{"content": "a b c d"}], **{name: 2})
    assert answer["choices"][0]["message"]["content"] == "a b"
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 2


def test_it_never_says_more_than_its_limit() -> None:
    answer = told(CHAT, messages=[{"content": "w " * (echo.ECHO_MAX + 1)}], max_tokens=10**6)
    assert answer["usage"]["completion_tokens"] == echo.ECHO_MAX
    assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": []}, 0),
        ({"messages": [{"content": None}]}, 0),
        ({"messages": [{"content": ""}]}, 0),
        ({"messages": [{"role": "user"}]}, 0),
        ({"messages": [{"content": [{"type": "text", "text": "a b"}, {"type": "image_url"}]}]}, 2),
    ],
)
def test_messages_of_every_shape(fields: dict, words: int) -> None:
    assert told(CHAT, **fields)["usage"]["completion_tokens"] == words


def test_completions_and_embeddings() -> None:
    answer = told(COMPLETION, prompt="a b")
    assert answer["choices"][0]["text"] == "a b"
    assert told(COMPLETION, prompt=["x", "a b"])["choices"][0]["text"] == "a b"
    answer = told(EMBEDDING, input=["a b", "c"])
    assert [item["index"] for item in answer["data"]] == [0, 1]
    assert {len(item["embedding"]) for item in answer["data"]} == {8}
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert told(EMBEDDING, input="a b") == told(EMBEDDING, input=["a b"])


words = st.lists(st.text(alphabet="abcé你", min_size=1, max_size=5), max_size=12)


@given(words, st.none() | st.integers(1, 15), st.sampled_from([CHAT, COMPLETION]))
def test_a_stream_is_the_same_answer_in_pieces(said: list[str], most: int | None, path: str) -> None:
    """U6."""
    text = " ".join(said)
    fields = {"messages": [{"content": text}]} if path == CHAT else {"prompt": text}
    fields |= {"max_tokens": most} if most else {}
    answer, events = told(path, **fields), streamed(path, **fields)
    *chunks, usage = events
    pieces = [chunk["choices"][0] for chunk in chunks]
    whole = "".join(piece["delta"].get("content", "") if path == CHAT else piece["text"] for piece in pieces)
    choice = answer["choices"][0]
    assert whole == (choice["message"]["content"] if path == CHAT else choice["text"])
    assert [piece["finish_reason"] for piece in pieces] == [None] * (len(pieces) - 1) + [choice["finish_reason"]]
    assert (usage["choices"], usage["usage"]) == ([], answer["usage"])
    assert read_openai(usage["usage"]).flags == NO_FLAGS
    assert told(path, **fields) == answer
