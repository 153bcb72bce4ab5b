"""Opening a connection to a provider: only to addresses the operator allows, verified TLS, through a proxy if set."""

import asyncio
import base64
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import SplitResult, unquote, urlsplit

from puyun.egress.target import Target

PROXY_ANSWER_MAX = 8 * 1024

P = TypeVar("P", bound=asyncio.Protocol)


class ConnectFailedError(Exception):
    """No connection; nothing was sent. The text is for the operator, not for customers."""


class Connector:
    """`allow_private` opens loopback and private networks; `exempt` origins (the embedded model) need no permission."""

    def __init__(self, *, allow_private: bool, timeout: float, proxy: str = "") -> None:
        self._allow_private = allow_private
        self._timeout = timeout
        self._proxy = urlsplit(proxy) if proxy else None
        self._tls = ssl.create_default_context()
        self.exempt: set[tuple[str, int]] = set()

    async def open(self, target: Target, factory: Callable[[], P]) -> P:
        """Raises ConnectFailedError."""
        try:
            async with asyncio.timeout(self._timeout):
                if self._proxy is not None and (target.host, target.port) not in self.exempt:
                    return await self._through_proxy(target, factory)
                return await self._direct(target, factory)
        except (OSError, TimeoutError, UnicodeError) as error:  # UnicodeError: a name that no resolver takes
            raise ConnectFailedError(f"{target.host}:{target.port}: {str(error) or 'timed out'}") from error

    async def _direct(self, target: Target, factory: Callable[[], P]) -> P:
        """The first allowed address that answers."""
        loop = asyncio.get_running_loop()
        context, name = (self._tls, target.host) if target.tls else (None, None)
        *others, last = await self._resolve(target.host, target.port)
        for address in others:
            with suppress(ConnectionError):
                _, protocol = await loop.create_connection(
                    factory, address, target.port, ssl=context, server_hostname=name
                )
                return protocol
        _, protocol = await loop.create_connection(factory, last, target.port, ssl=context, server_hostname=name)
        return protocol

    async def _resolve(self, host: str, port: int) -> list[str]:
        """Allowed addresses of the host, at least one. They are what is connected to: a second look-up can't differ."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
        if not self._allow_private and (host, port) not in self.exempt:
            addresses = [address for address in addresses if ip_address(address).is_global]
        if not addresses:
            raise ConnectFailedError(f"{host} has only private addresses; upstream.allow_private opens them")
        return addresses

    async def _through_proxy(self, target: Target, factory: Callable[[], P]) -> P:
        """CONNECT, then TLS inside where the provider speaks it. The proxy decides which addresses are allowed."""
        proxy = self._proxy
        if proxy is None or not proxy.hostname:
            raise ConnectFailedError("upstream.proxy has no host")
        loop = asyncio.get_running_loop()
        connection = socket.socket()
        connection.setblocking(False)
        try:
            port = proxy.port or 3128
            address = (await loop.getaddrinfo(proxy.hostname, port, family=socket.AF_INET))[0][4]
            await loop.sock_connect(connection, address)
            place = f"{target.host}:{target.port}"
            head = f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n{_authorization(proxy)}\r\n"
            await loop.sock_sendall(connection, head.encode())
            await _proxy_agrees(loop, connection)
            name = target.host if target.tls else None
            context = self._tls if target.tls else None
            _, protocol = await loop.create_connection(factory, sock=connection, ssl=context, server_hostname=name)
        except BaseException:
            connection.close()
            raise
        return protocol


def _authorization(proxy: SplitResult) -> str:
    """The header for a proxy whose URL names a user (RFC 7617: UTF-8); the provider behind it never sees it."""
    if proxy.username is None:
        return ""
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return f"proxy-authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"


async def _proxy_agrees(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    """Read the proxy's answer up to its empty line, and not one byte further."""
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        piece = await loop.sock_recv(connection, 1)
        answer += piece
        if not piece or len(answer) > PROXY_ANSWER_MAX:
            raise ConnectFailedError("the proxy closed the connection, or its answer has no end")
    status = answer.split(b" ", 2)[1:2]
    if status == [b"407"]:
        raise ConnectFailedError("the proxy refused our user and password, or wants some: set them in upstream.proxy")
    if status != [b"200"]:
        raise ConnectFailedError(f"the proxy refused: {answer[:100]!r}")
