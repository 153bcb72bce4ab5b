"""Server-sent events of a page, heard one by one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
from starlette.requests import Request

Event = tuple[str, Any]


def request_for(path: str, session: str, query: str = "") -> Request:
    """For the stream at a path, from a browser with this session's cookie."""
    headers = [(b"cookie", f"puyun-session={session}".encode()), (b"host", b"h")]
    address = {"scheme": "http", "path": path, "query_string": query.encode(), "server": ("h", 80)}
    return Request({"type": "http", "method": "GET", "headers": headers} | address)


def told(events: AsyncIterator[bytes], *steps: Callable[[], object]) -> list[Event | None]:
    """The events of one stream; each step happens before the next one is waited for. None: the end."""

    async def listen() -> list[Event | None]:
        found: list[Event | None] = []
        assert await anext(events) == b"retry: 2000\n\n"
        for step in steps:
            step()
            chunk = await anext(events, None)
            found.append(_parsed(chunk) if chunk else None)
        await events.aclose()  # pyright: ignore[reportAttributeAccessIssue] - a generator
        return found

    return asyncio.run(listen())


def nothing() -> None:
    """A step in which nothing happens."""


def _parsed(chunk: bytes) -> Event:
    head, data = chunk.decode().strip().split("\n")
    return head.removeprefix("event: "), msgspec.json.decode(data.removeprefix("data: "))
