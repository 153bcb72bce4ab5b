"""One request, from its body to the last byte of its answer or to the fault that was asked for."""

import asyncio
from typing import Any

import msgspec

from puyun.mockupstream import dialect
from puyun.mockupstream.behavior import Behavior, parse_behavior
from puyun.mockupstream.dialect import Ask, Json
from puyun.mockupstream.journal import Entry, Journal
from puyun.mockupstream.wire import Request, Wire

_LATE_SECONDS = 0.2
_ENDPOINTS = {"/v1/chat/completions": "chat", "/v1/completions": "text", "/v1/embeddings": "embeddings"}

_ask = msgspec.json.Decoder(Ask)


class Answering:
    def __init__(self, request: Request, path: str, wire: Wire, journal: Journal) -> None:
        self._request = request
        self._path = path
        self._wire = wire
        self._journal = journal
        self._secret = request.headers.get("authorization", "").removeprefix("Bearer ")
        self._entry: Entry
        self._headers: dict[str, str]

    async def run(self) -> None:
        self._entry = entry = self._journal.open(self._path)
        entry.request_id = self._request.headers.get("x-client-request-id", "")
        # Headers that a gateway must not hand on: they name the operator's account.
        self._headers = {
            "x-request-id": f"upstream-{entry.number}",
            "openai-organization": f"org-{self._secret}",
            "set-cookie": f"session={entry.number}",
        }
        try:
            await self._dispatch(entry)
        finally:
            self._journal.close(entry)

    async def _dispatch(self, entry: Entry) -> None:
        if self._path == "/v1/models":
            await self._json(200, dialect.models())
            return
        endpoint = _ENDPOINTS.get(self._path)
        if endpoint is None or self._request.method != "POST":
            await self._refuse(404, f"There is no {self._request.method} {self._path} here.")
            return
        try:
            ask = _ask.decode(self._request.body)
            behavior = parse_behavior(ask.model)
        except (msgspec.DecodeError, ValueError) as error:
            await self._refuse(400, str(error))
            return
        entry.model, entry.user, entry.stream, entry.include_usage = (
            ask.model,
            ask.user,
            bool(ask.stream),
            ask.include_usage,
        )
        self._journal.asked(entry, self._request.headers, self._request.body)
        self._wire.split = behavior.split
        await self._answer(endpoint, ask, behavior)
        self._wire.split = False

    async def _answer(self, endpoint: str, ask: Ask, behavior: Behavior) -> None:
        await asyncio.sleep(behavior.delay / 1000)
        if behavior.gate:
            await self._journal.gate(ask.user).wait()
        if behavior.die_before:
            self._wire.close()
        elif behavior.stall:
            await asyncio.Event().wait()
        elif behavior.garbage:
            await self._wire.send(b"\x00\xffthis is not HTTP\r\n\r\n")
        elif behavior.status != 200:
            self._entry.status = behavior.status
            await self._json(behavior.status, dialect.error(behavior.status, self._secret), {"retry-after": "7"})
            self._entry.complete = True
        elif endpoint != "embeddings" and ask.stream and not behavior.whole:
            await _Streaming(self._wire, self._entry, behavior, self._secret).run(
                ask, self._headers, chat=endpoint == "chat"
            )
        else:
            await self._whole(endpoint, ask, behavior)

    async def _whole(self, endpoint: str, ask: Ask, behavior: Behavior) -> None:
        if endpoint == "embeddings":
            body = dialect.embeddings(ask, behavior)
        else:
            body = dialect.answer(ask, behavior, self._entry.number, chat=endpoint == "chat")
        data = b'{"choices": [' if behavior.bad_json else msgspec.json.encode(body)
        headers = {"content-type": "application/json", "content-length": str(len(data))} | self._headers
        if behavior.until_close:
            del headers["content-length"]
            headers["connection"] = "close"
        if behavior.truncated:
            headers["content-length"] = str(len(data) + 100)
        await self._wire.head(200, headers)
        half = len(data) // 2
        await self._wire.send(data[:half])
        if await _break(self._wire, behavior):
            return
        await self._wire.send(data[half:])
        if behavior.truncated or behavior.until_close:
            self._wire.close()
        if not behavior.truncated:
            _report(self._entry, body)
            self._entry.complete = True

    async def _json(self, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
        await self._wire.json(status, msgspec.json.encode(body), self._headers | (headers or {}))

    async def _refuse(self, status: int, message: str) -> None:
        self._entry.status = status
        await self._json(status, {"error": {"message": message, "type": "invalid_request_error"}})


class _Streaming:
    """A stream of server-sent events."""

    def __init__(self, wire: Wire, entry: Entry, behavior: Behavior, secret: str) -> None:
        self._secret = secret
        self._wire = wire
        self._entry = entry
        self._behavior = behavior
        self._newline = b"\r\n" if behavior.crlf else b"\n"

    async def run(self, ask: Ask, headers: dict[str, str], *, chat: bool) -> None:
        framing = {"connection": "close"} if self._behavior.until_close else {"transfer-encoding": "chunked"}
        await self._wire.head(200, {"content-type": "text/event-stream"} | framing | headers)
        if self._behavior.endless_line:
            await self._send(b"data: ")
            while True:
                await self._send(b"x" * 65536)
        break_at = dialect.completion_tokens(ask, self._behavior) // 2 + 1
        for number, chunk in enumerate(dialect.chunks(ask, self._behavior, self._entry.number, chat=chat)):
            if number == break_at and self._behavior.error_midstream:
                await self._event(dialect.error(500, self._secret), first=False)
                break
            if number == break_at and await _break(self._wire, self._behavior):
                return
            await self._event(chunk, first=number == 0)
        await self._send(b"data: [DONE]" + self._newline * 2)
        if self._behavior.until_close:
            self._wire.close()
        else:
            await self._wire.end()
        self._entry.complete = True

    async def _event(self, chunk: Json, *, first: bool) -> None:
        if self._behavior.chunk_delay and not first:
            await asyncio.sleep(self._behavior.chunk_delay / 1000)
        if self._behavior.usage_late and not chunk.get("choices"):
            await asyncio.sleep(_LATE_SECONDS)
        data = b'{"choices": [' if self._behavior.bad_json else msgspec.json.encode(chunk)
        extras = b": alive\n\nevent: message\n" if self._behavior.comments else b""
        await self._send(extras.replace(b"\n", self._newline) + b"data: " + data + self._newline * 2)
        self._entry.chunks += 1
        _report(self._entry, chunk)

    async def _send(self, data: bytes) -> None:
        if self._behavior.until_close:
            await self._wire.send(data)
        else:
            await self._wire.chunk(data)


async def _break(wire: Wire, behavior: Behavior) -> bool:
    """The fault that belongs in the middle of an answer; False when there is none."""
    if behavior.die_midstream:
        wire.close()
    elif behavior.reset_midstream:
        wire.reset()
    elif behavior.stall_midstream:
        await asyncio.Event().wait()
    else:
        return False
    return True


def _report(entry: Entry, body: dict[str, Any]) -> None:
    usage: dict[str, int] | None = body.get("usage")
    if usage:
        entry.prompt_tokens = usage["prompt_tokens"]
        entry.completion_tokens = usage.get("completion_tokens", 0)
