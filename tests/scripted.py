"""A server that follows a script: raw bytes over a real socket, for tests of whoever connects to it."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Self

from puyun.catalog.model import Deployment, Dialect, Provider
from puyun.catalog.snapshot import Candidate
from puyun.egress.target import Target, target_at

PATIENCE = 20.0
"""Seconds; only used up by a failure."""

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Script = Callable[[Reader, Writer], Awaitable[None]]


class Server:
    """Runs the script for each connection; `connections` counts them. Use as `async with`."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self.connections = 0
        self.port = 0
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        try:
            await self._script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def target(self, scheme: str = "http", host: str = "127.0.0.1", path: str = "/v1") -> Target:
        deployment = Deployment(name="m@p", provider="p", upstream_model="m")
        provider = Provider(name="p", dialect=Dialect.OPENAI)
        return target_at(Candidate(1, deployment, provider), f"{scheme}://{host}:{self.port}{path}", "")


def answers(*answers: bytes, then: str = "wait") -> Script:
    """One answer a request; then wait for the other side to go, or close at once."""

    async def script(reader: Reader, writer: Writer) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        if then == "wait":
            await reader.read()

    return script


async def until(condition: Callable[[], object], what: str) -> None:
    """Let the loop run until this is so; AssertionError naming `what` after the deadline."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        await asyncio.sleep(0.005)
