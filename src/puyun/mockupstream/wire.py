"""Writing an HTTP/1.1 answer, correctly or not."""

import asyncio
from http import HTTPStatus

import msgspec

from puyun.mockupstream.journal import Stats


class Request(msgspec.Struct, frozen=True):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection's way out. `send` returns when the kernel has taken every byte: back-pressure reaches the answer."""

    def __init__(self, transport: asyncio.Transport, stats: Stats) -> None:
        self._transport = transport
        self._stats = stats
        self.writable = asyncio.Event()
        self.writable.set()
        self.split = False

    async def send(self, data: bytes) -> None:
        if self.split:
            for place in range(len(data)):
                await self._send(data[place : place + 1])
                await asyncio.sleep(0)
        else:
            await self._send(data)

    async def _send(self, data: bytes) -> None:
        self._transport.write(data)
        await self.writable.wait()
        self._stats.bytes_written += len(data)

    async def head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self.send(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def json(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        length = {"content-type": "application/json", "content-length": str(len(body))}
        await self.head(status, length | (headers or {}))
        await self.send(body)

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        await self.send(b"0\r\n\r\n")

    def close(self) -> None:
        self._transport.close()

    def reset(self) -> None:
        self._transport.abort()
