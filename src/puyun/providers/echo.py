"""The echo provider: a model that says back what it was told. Deterministic, needs no network, counts words as tokens."""

from collections.abc import Iterator
from typing import Any

import msgspec

ECHO_MAX = 4_096
"""Words an echo answers at most."""


class _Part(msgspec.Struct):
    text: str = ""


class _Message(msgspec.Struct):
    content: str | list[_Part] | None = None


class _Request(msgspec.Struct):
    model: str = "echo"
    messages: tuple[_Message, ...] = ()
    prompt: str | list[str] = ""
    input: str | list[str] = ""
    max_tokens: int | None = None
    max_completion_tokens: int | None = None


def answer(path: str, body: bytes, call: str) -> bytes:
    """The whole answer to a request on `path` (such as /chat/completions), in the OpenAI dialect."""
    request = msgspec.json.decode(body, type=_Request)
    if path == "/embeddings":
        texts = [request.input] if isinstance(request.input, str) else request.input
        data: list[dict[str, Any]] = [
            {"object": "embedding", "index": i, "embedding": _vector(text)} for i, text in enumerate(texts)
        ]
        whole: dict[str, Any] = {"object": "list", "model": request.model, "data": data}
        return _json(whole | {"usage": _usage(_count(texts), None)})
    told, words, finish = _said(request)
    usage = _usage(told, len(words))
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
    chat = path == "/chat/completions"
    choice |= {"message": {"role": "assistant", "content": " ".join(words)}} if chat else {"text": " ".join(words)}
    kind = "chat.completion" if chat else "text_completion"
    return _json(
        {"id": call, "object": kind, "created": 0, "model": request.model, "choices": [choice], "usage": usage}
    )


def events(path: str, body: bytes, call: str) -> Iterator[bytes]:
    """The same answer as server-sent events: a word an event, then usage, then `[DONE]`."""
    request = msgspec.json.decode(body, type=_Request)
    told, words, finish = _said(request)
    chat = path == "/chat/completions"
    head = {
        "id": call,
        "object": "chat.completion.chunk" if chat else "text_completion",
        "created": 0,
        "model": request.model,
    }

    def event(text: str, reason: str | None) -> bytes:
        choice: dict[str, Any] = {"index": 0, "finish_reason": reason}
        choice |= {"delta": {"content": text} if text else {}} if chat else {"text": text}
        return b"data: " + _json(head | {"choices": [choice]}) + b"\n\n"

    for index, word in enumerate(words):
        yield event(word if index == 0 else " " + word, None)
    yield event("", finish)
    yield b"data: " + _json(head | dict[str, Any](choices=[], usage=_usage(told, len(words)))) + b"\n\n"
    yield b"data: [DONE]\n\n"


class EchoAnswer:
    """An answer that needs no upstream: `response`, then `read` or `read_all`, as on a Connection."""

    def __init__(self, path: str, body: bytes, call: str, *, stream: bool) -> None:
        whole: Iterator[bytes] = iter((answer(path, body, call),))
        self._events = events(path, body, call) if stream else whole
        self.headers: dict[bytes, bytes] = {}
        self.finished = True

    async def response(self) -> int:
        return 200

    async def read(self) -> bytes:
        return next(self._events, b"")

    async def read_all(self, limit: int) -> bytes:
        return b"".join(self._events)[:limit]

    def close(self, reason: Exception | None = None) -> None:
        """Nothing is open."""


def _said(request: _Request) -> tuple[int, list[str], str]:
    """Words told, words said back, and why it stopped."""
    texts = [_text(message) for message in request.messages]
    if not texts:
        texts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
    words = texts[-1].split() if texts else []
    limit = min(request.max_completion_tokens or request.max_tokens or ECHO_MAX, ECHO_MAX)
    return _count(texts), words[:limit], "length" if len(words) > limit else "stop"


def _text(message: _Message) -> str:
    if isinstance(message.content, list):
        return " ".join(part.text for part in message.content)
    return message.content or ""


def _count(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)


def _usage(told: int, said: int | None) -> dict[str, int]:
    if said is None:
        return {"prompt_tokens": told, "total_tokens": told}
    return {"prompt_tokens": told, "completion_tokens": said, "total_tokens": told + said}


def _vector(text: str) -> list[float]:
    """Eight numbers that depend on the text: enough to try a client, of no meaning."""
    encoded = text.encode()
    return [sum(encoded[index::8]) % 1000 / 1000 for index in range(8)]


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
