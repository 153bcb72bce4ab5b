"""The server side of HTTP: uvicorn's protocol, which we subclass to take the data-plane paths ourselves.

uvicorn keeps parsing, signals, graceful stop and every other path. A data-plane request becomes an `Exchange`,
served by one coroutine once its body is whole; it stands in uvicorn's pipeline like one of its own cycles, so answers
leave in the order in which requests came, of either kind.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final, Protocol

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from puyun.protocol.openai import Endpoint
from puyun.system import crash

HEAD_MAX = 64 * 1024
"""Bytes of request line and headers."""

LINGER_SECONDS = 2.0
"""How long we go on reading, and throwing away, after a refusal in mid-request: a reset would destroy the refusal."""


class _Trailers(list[tuple[bytes, bytes]]):
    """Stands for the headers while a body is read: what follows it must not pass for a header (RFC 9110, 6.5.1)."""

    def append(self, trailer: tuple[bytes, bytes], /) -> None:
        """Not kept."""


_TRAILERS: Final = _Trailers()


class _NoEvent:
    """Stands where uvicorn's cycles keep an asyncio.Event that an exchange has no use for."""

    def set(self) -> None:
        """Nobody waits."""


class Plane(Protocol):
    """What the front needs of the data plane."""

    endpoints: dict[bytes, Endpoint]
    body_max: int
    head_seconds: float
    idle_seconds: float

    async def serve(self, exchange: "Exchange") -> None: ...

    def refuse(self, status: int, code: str, message: str) -> tuple[bytes, bytes]:
        """Head and body of an error before there is a call."""
        ...


class Exchange:
    """One data-plane request and its answer. Only the coroutine that serves it writes to it.

    `body` is whole once `complete`; `disconnected` says that the client is gone.
    """

    __slots__ = (
        "_front",
        "body",
        "chunked",
        "complete",
        "disconnected",
        "endpoint",
        "headers",
        "keep_alive",
        "on_gone",
        "pieces",
        "response_complete",
        "size",
        "task",
        "turn",
        "waiting_for_100_continue",
    )
    message_event: ClassVar[_NoEvent] = _NoEvent()

    def __init__(self, front: "Front", endpoint: Endpoint, headers: list[tuple[bytes, bytes]], version: str) -> None:
        self._front = front
        self.endpoint = endpoint
        self.headers = headers
        self.chunked = version != "1.0"
        self.keep_alive = False
        self.pieces: list[bytes] = []
        self.size = 0
        self.body = b""
        self.complete = False
        self.turn = False
        self.disconnected = False
        self.response_complete = False
        self.on_gone: Callable[[], None] | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def peer(self) -> str:
        """The address at the other end of the socket; empty for a Unix socket."""
        return self._front.client[0] if self._front.client else ""

    def respond(self, head: bytes, body: bytes) -> None:
        """The whole answer at once. `head` has everything but date, connection and the empty line."""
        self._finish(b"".join((head, self._tail(), body)))

    def start(self, head: bytes) -> None:
        """Begin an answer in pieces; for a client of HTTP/1.0, which knows no chunks, it ends with the connection."""
        if not self.disconnected:
            framing = b"transfer-encoding: chunked\r\n" if self.chunked else b""
            self._front.transport.write(b"".join((head, framing, self._tail())))

    def write(self, data: bytes) -> None:
        """One piece; never empty."""
        if not self.disconnected:
            self._front.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def end(self, data: bytes) -> None:
        """The last piece, if there is one, and the end of the answer in good order."""
        if self.chunked:
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data) if data else b"0\r\n\r\n"
        self._finish(data)

    @property
    def congested(self) -> bool:
        """Whether the client reads slower than we write; `drain` waits for it."""
        return self._front.flow.write_paused

    async def drain(self) -> None:
        """Wait until the client has caught up, or is gone."""
        if self._front.flow.write_paused and not self.disconnected:
            await self._front.flow.drain()

    def _tail(self) -> bytes:
        return self._front.date() + (b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")

    def _finish(self, last: bytes) -> None:
        if not self.disconnected:
            crash.torn("last-bytes-torn", self._front.transport, last)
            self._front.transport.write(last)
        self.response_complete = True
        self.body = b""
        self._front.exchange_done(self)


class Front(HttpToolsProtocol):
    """One connection of a client."""

    _dated: ClassVar[list[tuple[bytes, bytes]]] = []
    _date: ClassVar[bytes] = b""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        plane: Plane,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._plane = plane
        self._serving: Exchange | None = None
        self._in_head = False
        self._head: list[tuple[bytes, bytes]] = []
        self._head_size = 0
        self._resuming = False
        self._lingering = False
        self._refused = False
        self.busy_since = self.loop.time()
        """When the connection last became idle or began to read a request; `sweep` looks at it."""

    # --- reading -------------------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)  # pyright: ignore[reportOptionalMemberAccess] - None only after connection_lost
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            if not self._refused:
                self._refuse(400, "invalid_request_error", "This is not a valid HTTP/1.1 request.")
            return
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > HEAD_MAX:
                self._refuse(431, "headers_too_large", f"Send less than {HEAD_MAX} bytes of request line and headers.")

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read on as if nothing had been asked (RFC 9110, 7.8). The parser stops at a request to change the protocol and
        forgets its body, so a new one is told of that body's framing and gets the rest.
        """
        framing = [header for header in self._head if header[0] in {b"content-length", b"transfer-encoding"}]
        parser = self.parser = httptools.HttpRequestParser(self)
        self._resuming = True
        parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % header for header in framing))
        if rest:
            self.data_received(rest)

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._in_head = True
        self._head_size = 0
        self.busy_since = self.loop.time()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head, self.headers = self.headers, _TRAILERS
        if self._resuming:
            self._resuming = False
            return
        url = self.url = self.url if self.url.startswith(b"/") else _origin_form(self.url)
        if url.startswith(b"/v1/v1/"):
            url = self.url = url[3:]
        parser: httptools.HttpRequestParser = self.parser  # pyright: ignore[reportAssignmentType] - None only after connection_lost
        endpoint = self._plane.endpoints.get(url.partition(b"?")[0])
        if endpoint is not None and parser.get_method() == b"POST":
            exchange = Exchange(self, endpoint, self._head, parser.get_http_version())
            exchange.keep_alive = exchange.chunked and parser.should_keep_alive()
            self._begin_exchange(exchange)
        else:
            self._begin_cycle()

    def _begin_cycle(self) -> None:
        """Not ours: hand the request to uvicorn as it would have read it itself."""
        url, expects = self.url, self.expect_100_continue
        super().on_message_begin()
        self.url = url
        self.headers.extend(self._head)
        self.expect_100_continue = expects
        super().on_headers_complete()
        self.headers = _TRAILERS

    def _begin_exchange(self, exchange: Exchange) -> None:
        previous: Any = self.cycle
        self.cycle = exchange  # pyright: ignore[reportAttributeAccessIssue] - it stands where a cycle of uvicorn's would
        waits = previous is not None and not previous.response_complete
        if _content_length(exchange.headers) > self._plane.body_max:
            self._refuse_body(exchange, waits=waits)
            return
        if waits:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # pyright: ignore[reportArgumentType, reportUnknownMemberType] - same reason
        else:
            self._take_turn(exchange)

    def on_chunk_header(self) -> None:
        """What follows counts as head until it turns out to be body: trailers have no other measure."""
        self._in_head = True
        self._head_size = 0

    def on_body(self, body: bytes) -> None:
        self._in_head = False
        exchange: Any = self.cycle
        if type(exchange) is not Exchange:
            super().on_body(body)
            return
        exchange.size += len(body)
        if exchange.size > self._plane.body_max:
            self._refuse_body(exchange, waits=not exchange.turn)
            return
        exchange.pieces.append(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():  # pyright: ignore[reportOptionalMemberAccess] - None only after connection_lost
            return
        self._in_head = False
        exchange: Any = self.cycle
        if type(exchange) is not Exchange:
            super().on_message_complete()
            return
        exchange.complete = True
        exchange.body = exchange.pieces[0] if len(exchange.pieces) == 1 else b"".join(exchange.pieces)
        exchange.pieces.clear()
        if exchange.turn:
            self._serve(exchange)

    # --- serving -------------------------------------------------------------------------------------------------
    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """uvicorn's pipeline says that a request's turn has come."""
        if type(cycle) is Exchange:
            self._take_turn(cycle)
        else:
            super()._start_asgi_task(cycle, app)

    def _take_turn(self, exchange: Exchange) -> None:
        exchange.turn = True
        self._serving = exchange
        if exchange.complete:
            self._serve(exchange)
        elif self.expect_100_continue and not exchange.size:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _serve(self, exchange: Exchange) -> None:
        exchange.task = self.loop.create_task(self._plane.serve(exchange))
        self.tasks.add(exchange.task)

    def date(self) -> bytes:
        """uvicorn's default headers (the date), as bytes; it makes them anew every second."""
        headers = self.server_state.default_headers
        if headers is not Front._dated:
            Front._dated = headers
            Front._date = b"".join(b"%b: %b\r\n" % header for header in headers)
        return Front._date

    def exchange_done(self, exchange: Exchange) -> None:
        """Called by the exchange when its last byte was written."""
        self._serving = None
        if exchange.task is not None:
            self.tasks.discard(exchange.task)
        if exchange.disconnected or self.transport.is_closing():
            return
        self.busy_since = self.loop.time()
        if not exchange.keep_alive:
            self.transport.close()
            return
        self.server_state.total_requests += 1
        if self.pipeline:
            self.flow.resume_reading()
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    # --- ending --------------------------------------------------------------------------------------------------
    def connection_lost(self, exc: Exception | None) -> None:
        exchange = self._serving
        if exchange is not None:
            exchange.disconnected = True
            if exchange.on_gone is not None:
                exchange.on_gone()
        self.pipeline.clear()
        super().connection_lost(exc)

    def sweep(self, now: float) -> None:
        """Close a connection that is idle for too long, or takes too long to send a request."""
        cycle: Any = self.cycle
        if self._lingering or self.transport.is_closing():
            return
        if type(cycle) is Exchange and not cycle.response_complete:
            if not cycle.complete and now - self.busy_since > self._plane.head_seconds:
                self._refuse(408, "request_timeout", "The request took too long to arrive.")
        elif self._in_head:
            if now - self.busy_since > self._plane.head_seconds:
                self._refuse(408, "request_timeout", "The request took too long to arrive.")
        elif (cycle is None or type(cycle) is Exchange) and now - self.busy_since > self._plane.idle_seconds:
            self.transport.close()

    def _refuse_body(self, exchange: Exchange, *, waits: bool) -> None:
        exchange.pieces.clear()
        if waits:
            self.transport.close()
            return
        text = f"The body is over the limit of {self._plane.body_max} bytes. Send a smaller one."
        self._refuse(413, "request_too_large", text)

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answer at once and read no further. What is being served on this connection is finished first, without it."""
        self._refused = self._lingering = True
        cycle: Any = self._serving or self.cycle
        if cycle is not None and not cycle.response_complete and not (type(cycle) is Exchange and not cycle.complete):
            cycle.keep_alive = False
            self.pipeline.clear()
            return
        head, body = self._plane.refuse(status, code, message)
        self.transport.write(b"".join((head, b"connection: close\r\n\r\n", body)))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


def sweep(connections: Iterable[Any], now: float) -> None:
    """Look over all open connections; called every second or so."""
    for connection in list(connections):
        if isinstance(connection, Front):
            connection.sweep(now)


def _origin_form(target: bytes) -> bytes:
    """`http://host/path` -> `/path`: a server must take both (RFC 9112, 3.2.2). Anything else stays as it is."""
    scheme, mark, rest = target.partition(b"://")
    if not mark or scheme.lower() not in {b"http", b"https"}:
        return target
    slash = rest.find(b"/")
    return rest[slash:] if slash >= 0 else b"/"


def _content_length(headers: list[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return 0
