"""A mail server on loopback that keeps what it takes, or answers with what a test wants."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Sink:
    """`answer`: to a recipient; what it took stands in `letters`."""

    def __init__(self, answer: str = "250 ok") -> None:
        self.answer = answer
        self.letters: list[str] = []
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["Sink"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := (await reader.readline()).decode():
            verb = line[:4].upper().strip()
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                self.letters.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            answer = self.answer if verb == "RCPT" else "221 bye" if verb == "QUIT" else "250 ok"
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()
            if verb == "QUIT":
                break
        writer.close()
