"""The embedded model itself, over plain HTTP: answers, streams, embeddings, usage, the key, and its end."""

import json
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from stage.waiting import until

from puyun.localmodel.availability import SMOLLM2, Available, find

pytestmark = [pytest.mark.model, pytest.mark.xdist_group("model")]

PARENT = """
import asyncio, json, os, signal
from puyun.localmodel.availability import find
from puyun.localmodel.supervisor import LocalModel

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    model = LocalModel(find(), lambda _: None)
    await model.start()
    endpoint = await model.settled()
    print(json.dumps({"url": endpoint.base_url, "key": endpoint.api_key} if endpoint else model.state), flush=True)
    await stop.wait()
    await model.stop()

asyncio.run(main())
"""
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@contextmanager
def parent() -> Iterator[tuple[subprocess.Popen[bytes], dict[str, str]]]:
    """A process that supervises the model, and where the model is."""
    found = find()
    assert isinstance(found, Available), found.reason
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            told = json.loads(process.stdout.readline())
            assert isinstance(told, dict), told
            yield process, told
        finally:
            process.terminate()


def headers(key: str) -> dict[str, str]:
    """Each request on a connection of its own: the engine closes idle ones whenever it likes."""
    return {"authorization": f"Bearer {key}", "connection": "close"}


@pytest.fixture(scope="module")
def model() -> Iterator[httpx2.Client]:
    with (
        parent() as (_, told),
        httpx2.Client(base_url=told["url"], headers=headers(told["key"]), timeout=120) as client,
    ):
        yield client


def ask(client: httpx2.Client, path: str = "/chat/completions", **body) -> dict:
    answer = client.post(path, json={"model": SMOLLM2, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_it_answers_a_question_it_knows_and_counts(model):
    answer = ask(model, messages=QUESTION, max_tokens=30, seed=7, temperature=0)
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["model"] == SMOLLM2
    usage = answer["usage"]
    assert usage["prompt_tokens"] > 10
    assert 0 < usage["completion_tokens"] <= 30
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_call_without_a_system_message_gets_the_default_one(model):
    default = [{"role": "system", "content": "You are a helpful AI assistant."}]
    plain, full, own = (
        ask(model, messages=messages, max_tokens=1)["usage"]["prompt_tokens"]
        for messages in (QUESTION, default + QUESTION, [{"role": "system", "content": "x"}, *QUESTION])
    )
    assert plain == full
    assert own < full


def test_a_stream_ends_with_its_usage(model):
    body = {
        "model": SMOLLM2,
        "messages": QUESTION,
        "max_tokens": 12,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    with model.stream("POST", "/chat/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        data = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
    assert data.pop() == "[DONE]"
    chunks = [json.loads(event) for event in data]
    said = [chunk["choices"][0]["delta"].get("content") for chunk in chunks if chunk["choices"]]
    assert len([text for text in said if text]) > 1
    assert 0 < chunks[-1]["usage"]["completion_tokens"] <= 12


def test_embeddings_are_unit_vectors_and_counted(model):
    answer = ask(model, "/embeddings", model=f"{SMOLLM2}-embed", input=["a cat", "the stock market", "a cat"])
    cat, market, again = (item["embedding"] for item in answer["data"])
    assert len(cat) == 576
    assert math.isclose(sum(number * number for number in cat), 1, abs_tol=1e-3)
    assert math.isclose(sum(a * b for a, b in zip(cat, again, strict=True)), 1, abs_tol=1e-3)
    assert sum(a * b for a, b in zip(cat, market, strict=True)) < 0.99
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 4


def test_an_embedding_may_be_longer_than_a_step_of_the_engine(model):
    answer = ask(model, "/embeddings", model=f"{SMOLLM2}-embed", input="word " * 300)
    assert answer["usage"]["prompt_tokens"] >= 300


def test_more_than_the_context_is_the_callers_fault(model):
    answer = model.post("/chat/completions", json={"messages": [{"role": "user", "content": "word " * 4200}]})
    assert answer.status_code == 400
    assert "context" in answer.json()["error"]["message"]


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}])
@pytest.mark.parametrize("path", ["/chat/completions", "/embeddings", "/completions"])
def test_without_the_key_nothing_is_served(model, path, headers):
    answer = httpx2.post(f"{model.base_url}".rstrip("/") + path, json={"messages": QUESTION}, headers=headers)
    assert answer.status_code == 401


def test_it_is_bound_to_loopback_and_does_not_tell_its_path(model):
    listed = model.get("/models")
    assert listed.status_code == 200
    assert ".gguf" not in listed.text
    assert [item["id"] for item in listed.json()["data"]] == [SMOLLM2]
    port = f"{model.base_url.port:04X}"
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines() if f":{port} " in line]
    assert {words[1] for words in listening if words[3] == "0A"} == {f"0100007F:{port}"}


def test_a_stream_that_is_left_frees_its_place(model):
    """Left alone, each would write 2,000 tokens, for longer than `until` waits."""
    body = {"messages": QUESTION, "max_tokens": 2_000, "stream": True, "ignore_eos": True}
    with model.stream("POST", "/chat/completions", json=body) as answer:
        assert next(line for line in answer.iter_lines() if '"content":"' in line)
        assert processing(model) == 1
    until(lambda: processing(model) == 0, "the place of a stream that was left")


def processing(model: httpx2.Client) -> int:
    slots = model.get(f"{model.base_url}".replace("/v1/", "/slots")).json()
    return sum(slot["is_processing"] for slot in slots)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_its_parent(end):
    with parent() as (process, told):
        assert httpx2.get(told["url"].removesuffix("/v1") + "/health").status_code == 200
        [child] = children(process.pid)
        process.send_signal(end)
        until(lambda: ended(child), "the model's end")


def children(pid: int) -> list[int]:
    return [
        int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
    ]


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True
