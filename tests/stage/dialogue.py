"""A raw conversation with a server: send bytes, expect answers. Framing is checked, never trusted."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, its framing taken off. Header names are in lower case; a name that comes twice is refused."""

    status: int
    version: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The stable code of an error."""
        return self.json()["error"]["code"]

    def events(self) -> list[Any]:
        """The events of a stream: objects, and the string [DONE]."""
        return list(_events(self.body))


class Dialogue:
    """One connection. Every wait ends after ten seconds."""

    def __init__(self, address: tuple[str, int], *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(10)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Self:
        self.socket.sendall(data)
        return self

    def half_close(self) -> Self:
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def expect(self, data: bytes) -> Self:
        """Exactly these bytes come next."""
        assert self._take(len(data)) == data
        return self

    def answer(self, *, head_only: bool = False) -> Answer:
        """The next answer, read to its end and not a byte further; `head_only` for an answer to HEAD."""
        status, version, headers = self.head()
        if head_only or status in {204, 304}:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            assert "content-length" not in headers, "both framings at once"
            body = b"".join(self.chunks())
        elif "content-length" in headers:
            body = self._take(int(headers["content-length"]))
        else:
            assert headers.get("connection") == "close" or version == "HTTP/1.0", "a body without an end"
            body = self.rest()
        return Answer(status, version, headers, body)

    def head(self) -> tuple[int, str, dict[str, str]]:
        """Status line and headers."""
        lines = self._take_line_block().decode("latin-1").split("\r\n")
        version, status, _ = (lines[0] + " ").split(" ", 2)
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            assert colon, f"no header: {line!r}"
            assert name.lower() not in headers, f"header {name} came twice"
            headers[name.lower()] = value.strip()
        return int(status), version, headers

    def chunk(self) -> bytes:
        """The next chunk of a chunked body as it was framed; empty at its end."""
        size = int(self._take_until(b"\r\n"), 16)
        data = self._take(size)
        assert self._take(2) == b"\r\n"
        return data

    def chunks(self) -> Iterator[bytes]:
        """The chunks up to and without the last, empty one."""
        while data := self.chunk():
            yield data

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        while self._fill():
            pass
        rest, self._buffer = self._buffer, b""
        return rest

    def expect_closed(self) -> None:
        """The server closes, and says nothing more before."""
        assert self.rest() == b""

    def expect_silence(self, seconds: float = 0.2) -> None:
        """Nothing comes and the connection stays."""
        assert self._buffer == b""
        self.socket.settimeout(seconds)
        try:
            data = self.socket.recv(1)
        except TimeoutError:
            return
        finally:
            self.socket.settimeout(10)
        raise AssertionError(f"expected silence, got {data!r}")

    def _take_line_block(self) -> bytes:
        return self._take_until(b"\r\n\r\n")

    def _take_until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            assert self._fill(), f"the connection ended before {mark!r}, after {self._buffer[-200:]!r}"
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            assert self._fill(), f"the connection ended {size - len(self._buffer)} bytes early"
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _fill(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)


def post(path: str, body: bytes | dict[str, Any], key: str, *headers: str, chunked: bool = False) -> bytes:
    """A request as a well-behaved client writes it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(data)}"
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Authorization: Bearer {key}", framing, *headers]
    if chunked:
        data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)
    return ("\r\n".join([*lines, "Content-Type: application/json"]) + "\r\n\r\n").encode() + data


def get(path: str, key: str | None = None, *headers: str, method: str = "GET") -> bytes:
    credential = [] if key is None else [f"Authorization: Bearer {key}"]
    return ("\r\n".join([f"{method} {path} HTTP/1.1", "Host: test", *credential, *headers]) + "\r\n\r\n").encode()


def _events(body: bytes) -> Iterator[Any]:
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        for line in block.split(b"\n"):
            if line.startswith(b"data: "):
                data = line.removeprefix(b"data: ")
                yield "[DONE]" if data == b"[DONE]" else json.loads(data)
