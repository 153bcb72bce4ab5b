"""Streams of server-sent events, bounded: each is counted before it opens and until its answer is over."""

from collections.abc import AsyncIterator, Callable

import msgspec
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from puyun.kit.clock import SECOND
from puyun.kit.errors import PuyunError

CHECK_EVERY = 15 * SECOND
"""How often a stream looks whether its reader may still read it."""


def event(name: str, data: dict[str, object]) -> bytes:
    """One event with `data` as JSON."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


class Streams:
    """The open streams of one kind, at most `most` at a time. On the event loop alone: nothing here awaits."""

    def __init__(self, most: int, what: str, *, retry_after: int) -> None:
        self.open = 0
        self._most = most
        self._what = what
        self._retry_after = retry_after

    def stream(self, events: AsyncIterator[bytes]) -> Response:
        """The answer that sends `events`; it counts from here on. Raises PuyunError `too_many_streams` (503)."""
        if self.open >= self._most:
            text = f"Too many streams of {self._what} are open; try again in {self._retry_after} seconds."
            raise PuyunError("too_many_streams", 503, text, headers={"retry-after": str(self._retry_after)})
        self.open += 1
        return _Stream(events, self._closed)

    def _closed(self) -> None:
        self.open -= 1


class _Stream(StreamingResponse):
    """Says when it is over. The events cannot: a reader who leaves before the first one never lets them begin."""

    def __init__(self, events: AsyncIterator[bytes], closed: Callable[[], None]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(events, headers=headers, media_type="text/event-stream")
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._closed()
