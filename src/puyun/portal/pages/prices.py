"""The public price feed: `GET /api/prices`, and a stream that says when it changed."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from puyun.kit.clock import SECOND, Clock, format_instant
from puyun.portal.board import PriceBoard
from puyun.pricing.offers import public_prices
from puyun.web.events.stream import Streams

STREAMS_MAX = 1000
"""Open streams of one process; whoever comes later asks again."""

LOOK_EVERY = 1.0
"""Seconds between two looks at the revision."""

TICK_EVERY = 15 * SECOND
"""A sign of life, so that a page can say that its prices are current."""


class PriceFeed:
    """`stopping` turns true when the server wants to go; streams then end by themselves."""

    def __init__(self, board: PriceBoard, clock: Clock, currency: str, stopping: Callable[[], bool]) -> None:
        self._board = board
        self._clock = clock
        self._currency = currency
        self._stopping = stopping
        self._streams = Streams(STREAMS_MAX, "prices", retry_after=15)
        self._body = ("", b"")

    def routes(self) -> list[BaseRoute]:
        return [Route("/api/prices", self.prices), Route("/api/prices/stream", self.stream)]

    def prices(self, request: Request) -> Response:
        """Every offer; with an ETag, so that asking often costs nothing."""
        offers = self._board.current()
        etag = f'"{offers.version}"'
        headers = {"etag": etag, "cache-control": "no-cache", "access-control-allow-origin": "*"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        version, body = self._body
        if version != offers.version:
            body = msgspec.json.encode(public_prices(offers, self._currency))
            self._body = offers.version, body
        return Response(body, headers=headers, media_type="application/json")

    async def stream(self, _request: Request) -> Response:
        """Server-sent events: `prices` at the start and at each change, `tick` in between. Raises `too_many_streams`."""
        return self._streams.stream(self._events())

    async def _events(self) -> AsyncIterator[bytes]:
        version, told = "", 0
        yield b"retry: 2000\n\n"
        while not self._stopping():
            offers, now = self._board.current(), self._clock.now()
            if offers.version != version or now - told >= TICK_EVERY or now < told:
                name = "prices" if offers.version != version else "tick"
                data = msgspec.json.encode({"version": offers.version, "now": format_instant(now)})
                version, told = offers.version, now
                yield b"event: %b\ndata: %b\n\n" % (name.encode(), data)
            await asyncio.sleep(LOOK_EVERY)
