"""OpenAI's objects with countable contents: a prompt's tokens are its words, a completion's are as many as asked for."""

import base64
import struct
from collections.abc import Iterator
from typing import Any

import msgspec

from puyun.mockupstream.behavior import Behavior

CREATED = 1_767_225_600
_DIMENSIONS = 8

Json = dict[str, Any]


class Part(msgspec.Struct):
    """A part of a message's content; only text counts."""

    text: str = ""


class Message(msgspec.Struct):
    content: str | list[Part] | None = None


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class Ask(msgspec.Struct):
    """The fields of a request that matter here, of whichever endpoint."""

    model: str
    messages: list[Message] = []
    prompt: str | list[str] = ""
    input: str | list[str | int | list[int]] = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    dimensions: int | None = None
    encoding_format: str | None = None
    user: str | None = None

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def choices(self) -> int:
        return self.n or 1


def prompt_tokens(ask: Ask) -> int:
    """Words; of an input of token ids, the ids."""
    texts: list[str] = []
    for message in ask.messages:
        content = message.content or ""
        texts += [content] if isinstance(content, str) else [part.text for part in content]
    texts += [ask.prompt] if isinstance(ask.prompt, str) else ask.prompt
    ids = 0
    for item in [ask.input] if isinstance(ask.input, str) else ask.input:
        if isinstance(item, str):
            texts.append(item)
        else:
            ids += 1 if isinstance(item, int) else len(item)
    return ids + sum(len(text.split()) for text in texts)


def completion_tokens(ask: Ask, behavior: Behavior) -> int:
    """Of one choice: the behaviour's number, or the lower `max_tokens`."""
    limit = ask.max_completion_tokens or ask.max_tokens
    return behavior.tokens if limit is None else min(behavior.tokens, limit)


def usage(ask: Ask, behavior: Behavior, written: int) -> Json:
    """Usage once `written` tokens of every choice are out."""
    prompt = prompt_tokens(ask)
    completion = written * ask.choices * behavior.factor
    found: Json = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    if behavior.cached:
        found["prompt_tokens_details"] = {"cached_tokens": prompt // 2, "audio_tokens": 0}
    if behavior.reasoning:
        found["completion_tokens_details"] = {"reasoning_tokens": completion // 2, "audio_tokens": 0}
    if behavior.unknown_fields:
        found["future_tokens"] = 7
    return found


def pieces(ask: Ask, behavior: Behavior) -> Iterator[str]:
    """The text, token by token."""
    filling = "x" * 1024 * behavior.flood
    for number in range(completion_tokens(ask, behavior)):
        yield f"word{number}{filling} "


def finish_reason(ask: Ask, behavior: Behavior) -> str:
    if completion_tokens(ask, behavior) < behavior.tokens:
        return "length"
    if behavior.filtered:
        return "content_filter"
    return "tool_calls" if behavior.tools else "stop"


def _said(text: str, behavior: Behavior, *, first: bool = True) -> Json:
    """Text of a message or of a delta: as content, or as the arguments of a tool."""
    if not behavior.tools:
        return {"content": text}
    function = {"name": "mock", "arguments": text} if first else {"arguments": text}
    call: Json = {"index": 0, "function": function}
    return {"content": None, "tool_calls": [call | ({"id": "call_mock", "type": "function"} if first else {})]}


def answer(ask: Ask, behavior: Behavior, number: int, *, chat: bool) -> Json:
    """The body of a completion that is not streamed."""
    text = "".join(pieces(ask, behavior)).rstrip()
    reason = finish_reason(ask, behavior)
    content: Json = {"message": {"role": "assistant"} | _said(text, behavior)} if chat else {"text": text}
    body = _head(ask, number, "chat.completion" if chat else "text_completion")
    body["choices"] = [{"index": i, **content, "logprobs": None, "finish_reason": reason} for i in range(ask.choices)]
    if not behavior.no_usage:
        body["usage"] = usage(ask, behavior, completion_tokens(ask, behavior))
    if behavior.unknown_fields:
        body["future_field"] = {"kept": [1, 2.50, "ü"]}
    return body


def chunks(ask: Ask, behavior: Behavior, number: int, *, chat: bool) -> Iterator[Json]:
    """The events of a stream, usage chunk included, `[DONE]` not."""
    kind = "chat.completion.chunk" if chat else "text_completion"
    reports = ask.include_usage and not behavior.no_usage
    counted = completion_tokens(ask, behavior)

    def chunk(choices: list[Json], written: int) -> Json:
        body = _head(ask, number, kind)
        body["choices"] = choices
        if reports:
            body["usage"] = usage(ask, behavior, written) if behavior.usage_every else None
        if behavior.unknown_fields:
            body["future_field"] = {"kept": [1, 2.50, "ü"]}
        return body

    def choices(delta: Json, text: str, reason: str | None) -> list[Json]:
        content: Json = {"delta": delta} if chat else {"text": text}
        return [{"index": i, **content, "finish_reason": reason} for i in range(ask.choices)]

    if chat:
        yield chunk(choices({"role": "assistant", "content": ""}, "", None), 0)
    for written, text in enumerate(pieces(ask, behavior), 1):
        yield chunk(choices(_said(text, behavior, first=written == 1), text, None), written)
    yield chunk(choices({}, "", finish_reason(ask, behavior)), counted)
    if reports:
        final = chunk([], counted) | {"usage": usage(ask, behavior, counted)}
        yield from [final, final] if behavior.usage_twice else [final]


def embeddings(ask: Ask, behavior: Behavior) -> Json:
    """One vector for each input, made of its number."""
    count = 1 if isinstance(ask.input, str) or (ask.input and isinstance(ask.input[0], int)) else len(ask.input)
    size = ask.dimensions or _DIMENSIONS
    data: list[Json] = []
    for index in range(count):
        vector = [(index + place) / 16 for place in range(size)]
        packed = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        value = packed if ask.encoding_format == "base64" else vector
        data.append({"object": "embedding", "index": index, "embedding": value})
    body: Json = {"object": "list", "model": ask.model, "data": data}
    if not behavior.no_usage:
        tokens = prompt_tokens(ask)
        body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return body


def models() -> Json:
    return {"object": "list", "data": [{"id": "mock", "object": "model", "created": CREATED, "owned_by": "mock"}]}


def error(status: int, secret: str) -> Json:
    """An error body that tells more than it should, as real ones do: it quotes the key it was called with."""
    match status:
        case 401:
            message, code = (
                f"Incorrect API key provided: {secret}. Find yours at https://upstream.invalid/keys.",
                "bad_key",
            )
        case 429:
            message, code = (
                f"Rate limit reached for organization org-{secret} on tokens per min.",
                "rate_limit_exceeded",
            )
        case 404:
            message, code = "The model does not exist at the upstream.", "model_not_found"
        case status if status < 500:
            message, code = f"The upstream refuses this: temperature is too high (key {secret}).", "invalid_value"
        case _:
            message, code = f"The server had an error (trace of {secret}).", "server_error"
    return {"error": {"message": message, "type": "mock_error", "param": "temperature", "code": code}}


def _head(ask: Ask, number: int, kind: str) -> Json:
    return {
        "id": f"chatcmpl-mock-{number}",
        "object": kind,
        "created": CREATED,
        "model": ask.model,
        "system_fingerprint": "fp_mock",
    }
