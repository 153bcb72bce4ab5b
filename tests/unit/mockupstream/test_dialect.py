"""Countable contents: what is reported is what is written."""

import pytest

from puyun.mockupstream.behavior import Behavior
from puyun.mockupstream.dialect import Ask, Message, Part, StreamOptions, answer, chunks, embeddings, prompt_tokens

CHAT = Ask(model="mock", messages=[Message("a b c"), Message([Part("d e"), Part()]), Message(None)])
ASKS_USAGE = Ask(model="mock", stream=True, stream_options=StreamOptions(include_usage=True))


@pytest.mark.parametrize(
    ("ask", "tokens"),
    [
        (CHAT, 5),
        (Ask(model="m", prompt=["a b", "c"]), 3),
        (Ask(model="m", input=["a b", "c"]), 3),
        (Ask(model="m", input=[[1, 2, 3], [4]]), 4),
        (Ask(model="m", input=[1, 2, 3]), 3),
    ],
)
def test_a_prompt_is_its_words(ask: Ask, tokens: int) -> None:
    assert prompt_tokens(ask) == tokens


def test_an_answer_reports_the_words_it_has() -> None:
    body = answer(CHAT, Behavior(tokens=7), 1, chat=True)
    assert len(body["choices"][0]["message"]["content"].split()) == body["usage"]["completion_tokens"] == 7
    assert body["usage"]["total_tokens"] == 12


def test_max_tokens_ends_an_answer() -> None:
    body = answer(Ask(model="mock", max_tokens=2), Behavior(tokens=7), 1, chat=False)
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 2


def test_a_stream_reports_usage_once_and_only_when_asked() -> None:
    assert all("usage" not in chunk for chunk in chunks(Ask(model="mock", stream=True), Behavior(), 1, chat=True))
    asked = list(chunks(ASKS_USAGE, Behavior(tokens=4), 1, chat=True))
    assert [chunk["usage"] is None for chunk in asked] == [True] * 6 + [False]
    assert asked[-1]["choices"] == []


@pytest.mark.parametrize(
    ("behavior", "reported"),
    [
        (Behavior(tokens=2), [2]),
        (Behavior(tokens=2, usage_twice=True), [2, 2]),
        (Behavior(tokens=2, usage_every=True), [0, 1, 2, 2, 2]),
        (Behavior(tokens=2, no_usage=True), []),
        (Behavior(tokens=2, factor=1000), [2000]),
    ],
)
def test_faults_of_reporting(behavior: Behavior, reported: list[int]) -> None:
    found = [chunk.get("usage") for chunk in chunks(ASKS_USAGE, behavior, 1, chat=True)]
    assert [usage["completion_tokens"] for usage in found if usage] == reported


def test_an_input_is_one_vector_each() -> None:
    body = embeddings(Ask(model="mock", input=["a b", "c"], dimensions=4), Behavior())
    assert [len(item["embedding"]) for item in body["data"]] == [4, 4]
    assert body["usage"]["prompt_tokens"] == 3
