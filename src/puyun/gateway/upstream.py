"""The client side of HTTP: pooled connections to providers, one request at a time on each.

Nothing is ever sent twice: a pooled connection that its peer closed is dropped before a byte is written to it. Timeouts
are deadlines that `sweep` compares, so a call costs no timers.
"""

import asyncio
from collections import deque
from typing import Any

import httptools

from puyun.egress.connect import Connector
from puyun.egress.target import Target

IDLE_MAX = 256
"""Idle connections kept for one origin."""

IDLE_SECONDS = 30.0

UNREAD_MAX = 256 * 1024
"""Bytes that wait for the reader before the provider is asked to pause."""

HEAD_MAX = 64 * 1024


class UpstreamLostError(Exception):
    """The provider closed, reset, or broke HTTP before its answer was whole."""


class UpstreamTimeoutError(Exception):
    """The provider did not send its first byte, or its next one, in time."""


class UpstreamClosedError(Exception):
    """We closed the connection ourselves, because the client is gone."""


class Connection(asyncio.Protocol):
    """One connection; `send`, then `response`, then `read` until it gives nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self._paused = False
        self._idle_timeout = 0.0
        self.deadline = float("inf")
        self.idle_since = 0.0
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._head_size = 0
        self._pieces: list[bytes] = []
        self._unread = 0
        self._head_done = False
        self._done = False
        self._keep_alive = False

    # --- what a call does ----------------------------------------------------------------------------------------
    @property
    def usable(self) -> bool:
        return self._lost is None and not self._transport.is_closing()

    def send(self, request: bytes, *, first_byte: float, idle: float) -> None:
        """`first_byte` and `idle` are seconds of patience."""
        self._reset()
        self._idle_timeout = idle
        self.deadline = self._loop.time() + first_byte
        self._transport.write(request)

    async def response(self) -> int:
        """The status, once the head is there. Raises UpstreamLostError, UpstreamTimeoutError, UpstreamClosedError."""
        while not self._head_done:
            await self._wait()
        return self.status

    async def read(self) -> bytes:
        """What has come since the last read; empty at the end of the answer. Raises as `response`."""
        while not self._pieces:
            if self._done:
                return b""
            await self._wait()
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._unread = 0
        if self._paused:
            self._paused = False
            self.deadline = self._loop.time() + self._idle_timeout
            self._transport.resume_reading()
        return data

    async def read_all(self, limit: int) -> bytes:
        """The whole body. Raises as `response`; a body over the limit counts as lost."""
        data = await self.read()
        if self._done and not self._pieces and len(data) <= limit:
            return data
        parts: list[bytes] = []
        size = 0
        while data:
            parts.append(data)
            size += len(data)
            if size > limit:
                raise UpstreamLostError("the answer is larger than we take")
            data = await self.read()
        return b"".join(parts)

    @property
    def finished(self) -> bool:
        """Whether the answer came to its end in good order."""
        return self._done

    @property
    def reusable(self) -> bool:
        return self._done and self.usable and self._keep_alive

    def close(self, reason: Exception | None = None) -> None:
        """Drop the connection at once; whoever waits on it gets `reason`."""
        if self._lost is None:
            self._lost = reason or UpstreamClosedError()
        self._transport.abort()
        self._wake()

    def sweep(self, now: float) -> None:
        """Silence counts against the provider only while we listen: a client that reads slowly is not its fault."""
        if now > self.deadline and not self._done and not self._paused:
            self.close(UpstreamTimeoutError("no byte in time"))

    async def _wait(self) -> None:
        if self._lost is not None:
            raise self._lost
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._lost is not None and not self._pieces and not self._done:
            raise self._lost

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # --- asyncio.Protocol ----------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue] - create_connection gives a Transport

    def data_received(self, data: bytes) -> None:
        if self._done:
            self.close(UpstreamLostError("bytes after the end of the answer"))
            return
        self.deadline = self._loop.time() + self._idle_timeout
        if not self._head_done:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.close(UpstreamLostError(f"not HTTP: {error}"))
            return
        if not self._head_done and self._head_size > HEAD_MAX:
            self.close(UpstreamLostError("a head without end"))
            return
        if self._unread > UNREAD_MAX and not self._paused and not self._done:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The transport closes itself; an answer that is framed by the end of the connection is whole now."""
        if self._head_done and not self._done and self._framed_by_close:
            self._done = True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lost is None:
            self._lost = UpstreamLostError(str(exc) if exc else "closed by the provider")
        self._wake()

    @property
    def _framed_by_close(self) -> bool:
        return b"content-length" not in self.headers and b"transfer-encoding" not in self.headers

    # --- httptools -----------------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        """A second answer to one request is nobody's; what is raised here ends the connection in `data_received`."""
        if self._done:
            raise UpstreamLostError("bytes after the end of the answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._head_done = self.status >= 200

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        self._unread += len(body)

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self._done = True
            # Asked here, because the parser forgets the framing of a message as soon as this returns.
            self._keep_alive = self._parser.should_keep_alive()
            self.deadline = float("inf")
        else:
            self._reset()


class Pool:
    """Connections by origin. `open` gives one that is ready, `release` takes it back."""

    def __init__(self, connector: Connector, loop: asyncio.AbstractEventLoop) -> None:
        self._connector = connector
        self._loop = loop
        self._idle: dict[Any, deque[Connection]] = {}
        self._busy: set[Connection] = set()

    async def open(self, target: Target) -> Connection:
        """Raises ConnectFailedError."""
        idle = self._idle.get(target.origin)
        while idle:
            connection = idle.pop()
            if connection.usable:
                self._busy.add(connection)
                return connection
        connection = await self._connector.open(target, lambda: Connection(self._loop))
        self._busy.add(connection)
        return connection

    def release(self, target: Target, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end, drop any other."""
        self._busy.discard(connection)
        if not connection.reusable:
            connection.close()
            return
        idle = self._idle.get(target.origin)
        if idle is None:
            idle = self._idle[target.origin] = deque()
        if len(idle) >= IDLE_MAX:
            idle.popleft().close()
        connection.idle_since = self._loop.time()
        idle.append(connection)

    def sweep(self, now: float) -> None:
        """Time out busy connections, drop those that have been idle for long. Called every half second or so."""
        for connection in list(self._busy):
            connection.sweep(now)
        for origin, idle in list(self._idle.items()):
            while idle and (not idle[0].usable or now - idle[0].idle_since > IDLE_SECONDS):
                idle.popleft().close()
            if not idle:
                del self._idle[origin]

    def close(self) -> None:
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()
