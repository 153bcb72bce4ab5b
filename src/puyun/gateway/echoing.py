"""The echo provider behind the same three questions that a connection answers."""

from collections.abc import Iterator

from puyun.providers import echo


class EchoAnswer:
    """An answer that needs no upstream: `response`, then `read` or `read_all`, as on a Connection."""

    def __init__(self, path: str, body: bytes, call: str, *, stream: bool) -> None:
        whole: Iterator[bytes] = iter((echo.answer(path, body, call),))
        self._events = echo.events(path, body, call) if stream else whole
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
