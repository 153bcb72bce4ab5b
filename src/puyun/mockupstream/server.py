"""The HTTP side. A connection is a protocol with one coroutine per request, so that every byte is under control."""

import asyncio
import contextlib
import signal
import sys
from collections import deque
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httptools
import msgspec

from puyun.mockupstream.answering import Answering
from puyun.mockupstream.journal import Journal
from puyun.mockupstream.wire import Request, Wire

_BODY_MAX = 64 * 1024 * 1024
_HEAD_MAX = 1024 * 1024
_PIPELINED_MAX = 100


class Connection(asyncio.Protocol):
    """Requests are answered in order; a client that leaves cancels the answer being written."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._answer: asyncio.Task[None] | None = None
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(0)
        self._wire = Wire(transport, self._journal.stats)
        self._journal.stats.connections += 1
        self._journal.stats.connections_opened += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._journal.stats.connections -= 1
        self._waiting.clear()
        if self._answer is not None:
            self._answer.cancel()

    def pause_writing(self) -> None:
        self._wire.writable.clear()

    def resume_writing(self) -> None:
        self._wire.writable.set()

    def data_received(self, data: bytes) -> None:
        with contextlib.suppress(httptools.HttpParserUpgrade):
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserError:
                self._wire.close()

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body, self._size = b"", {}, [], 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value), _HEAD_MAX)
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._size = 0

    def on_body(self, body: bytes) -> None:
        self._count(len(body), _BODY_MAX)
        self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode("latin-1")
        target = self._url.decode("latin-1")
        self._waiting.append(Request(method, target, self._headers, b"".join(self._body)))
        if len(self._waiting) > _PIPELINED_MAX:
            self._wire.close()
        elif self._answer is None:
            self._answer = asyncio.get_running_loop().create_task(self._work())

    def _count(self, size: int, limit: int) -> None:
        self._size += size
        if self._size > limit:
            self._wire.close()

    async def _work(self) -> None:
        while self._waiting:
            await _respond(self._waiting.popleft(), self._wire, self._journal)
        self._answer = None


async def _respond(request: Request, wire: Wire, journal: Journal) -> None:
    url = urlsplit(request.target)
    match request.method, url.path:
        case "GET", "/stats":
            await wire.json(200, msgspec.json.encode(journal.stats))
        case "GET", "/journal":
            user = parse_qs(url.query).get("user")
            await wire.json(200, journal.dump(user[0] if user else None))
        case "GET", "/open":
            journal.gate(parse_qs(url.query).get("user", [""])[0]).set()
            await wire.json(200, b"{}")
        case "GET", "/queue":
            journal.waiting = int(parse_qs(url.query).get("waiting", ["0"])[0])
            await wire.json(200, b"{}")
        case "GET", "/metrics":
            journal.stats.looks += 1
            await wire.json(200, journal.metrics(), {"content-type": "text/plain; version=0.0.4"})
        case _:
            await Answering(request, url.path, wire, journal).run()


async def serve(host: str, port: int, journal: Journal, stop: asyncio.Event) -> None:
    """Answer until `stop` is set; the address is printed once it is bound."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(journal), host, port, backlog=4096)
    bound = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"mock upstream on http://{host}:{bound}/v1\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


def run(host: str, port: int, journal: Path | None) -> None:
    """Serve until SIGINT or SIGTERM. Port 0 takes a free one. `journal`: a file to append to."""

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(host, port, Journal(journal), stop)

    asyncio.run(main())
