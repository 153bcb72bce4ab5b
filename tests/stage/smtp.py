"""A mail server on loopback that keeps what it takes, or answers with what a test wants."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Sink:
    """`answer`: to a recipient; `to_data`: to a letter; `greets`: or says nothing, ever. `tls`: with STARTTLS, or from
    the first byte where `wrapped`. What it took stands in `letters`; `secure`: whether the last came over TLS.
    """

    def __init__(
        self,
        answer: str = "250 ok",
        *,
        to_data: str = "250 ok",
        greets: bool = True,
        tls: ssl.SSLContext | None = None,
        wrapped: bool = False,
    ) -> None:
        self.answer = answer
        self.letters: list[str] = []
        self.port = 0
        self.secure = False
        self._to_data = to_data
        self._greets = greets
        self._tls = tls
        self._wrapped = wrapped

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator["Sink"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls if self._wrapped else None)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._greets:
            writer.write(b"220 sink\r\n")
        while line := (await reader.readline()).decode():
            verb = line[:8].upper().split()[0]
            answer = self._answer(verb)
            if verb == "DATA":
                writer.write(b"354 go on\r\n")
                self.letters.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                self.secure = writer.get_extra_info("ssl_object") is not None
                answer = self._to_data
            writer.write(f"{answer}\r\n".encode())
            await writer.drain()
            if verb == "STARTTLS":
                assert self._tls
                try:
                    await writer.start_tls(self._tls)
                except (ssl.SSLError, OSError):
                    break
            if verb == "QUIT":
                break
        writer.close()

    def _answer(self, verb: str) -> str:
        if verb == "EHLO" and self._tls and not self._wrapped:
            return "250-sink\r\n250 STARTTLS"
        return {"RCPT": self.answer, "QUIT": "221 bye", "STARTTLS": "220 go on"}.get(verb, "250 ok")
