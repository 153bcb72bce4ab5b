"""Asking an issuer over HTTP: bounded in time and size, no redirects, and only at addresses that the operator allows."""

import asyncio
import functools
import socket
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import cast

import httpcore2
import httpx2
from typing_extensions import override

ANSWER_MAX = 512 * 1024
CONNECT_SECONDS = 5.0
PATIENCE_SECONDS = 10.0
AT_ONCE = 20
"""Each takes a connection, and strangers can cause it."""


class UnreachableError(Exception):
    """No answer, or none that can be used. The text is for the operator, not for people on a page."""


class Fetching:
    """`allow_private` opens loopback and private networks, and speaking without TLS; through a `proxy` all is asked where
    there is one, and the proxy decides about addresses.
    """

    def __init__(self, *, allow_private: bool, proxy: str = "") -> None:
        self._allow_private = allow_private
        self._proxy = proxy
        self._asking = 0

    async def ask(
        self, address: str, *, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of a GET, or of a POST of the form. Raises UnreachableError."""
        if not address.startswith("https://") and not (address.startswith("http://") and self._allow_private):
            raise UnreachableError(f"{address}: expected https")
        if self._asking >= AT_ONCE:
            raise UnreachableError(f"{address}: {AT_ONCE} are asked at once already")
        self._asking += 1
        try:
            return await self._ask(address, form, headers)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:  # a TimeoutError is an OSError
            raise UnreachableError(f"{address}: {str(error) or type(error).__name__}") from error
        finally:
            self._asking -= 1

    async def _ask(
        self, address: str, form: Mapping[str, str] | None, headers: Mapping[str, str] | None
    ) -> tuple[int, bytes]:
        head = {"accept": "application/json", "accept-encoding": "identity"} | dict(headers or {})
        method = "GET" if form is None else "POST"
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            httpx2.AsyncClient(transport=self._transport(), trust_env=False) as client,
            client.stream(method, address, data=form, headers=head) as answer,
        ):
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > ANSWER_MAX:
                    raise UnreachableError(f"{address}: an answer of more than {ANSWER_MAX} bytes")
            return answer.status_code, bytes(body)

    def _transport(self) -> httpx2.AsyncHTTPTransport:
        if self._proxy:
            return httpx2.AsyncHTTPTransport(verify=_tls(), trust_env=False, proxy=self._proxy)
        return _Guarded(_Addresses(allow_private=self._allow_private))


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Guarded(httpx2.AsyncHTTPTransport):
    """httpx2's own, with a say in which addresses a name may stand for."""

    def __init__(self, addresses: httpcore2.AsyncNetworkBackend) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        self._pool = httpcore2.AsyncConnectionPool(ssl_context=_tls(), network_backend=addresses)


class _Addresses(httpcore2.AsyncNetworkBackend):
    """The addresses that were looked at are those that are connected to: a second look-up cannot differ."""

    def __init__(self, *, allow_private: bool) -> None:
        self._inner = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())
        self._allow_private = allow_private

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
        if not self._allow_private:
            addresses = [address for address in addresses if ip_address(address).is_global]
        if not addresses:
            raise OSError(f"{host} has only private addresses; upstream.allow_private opens them")
        *others, last = addresses
        for address in others:
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return await self._inner.connect_tcp(address, port, CONNECT_SECONDS, local_address, socket_options)
        return await self._inner.connect_tcp(last, port, CONNECT_SECONDS, local_address, socket_options)

    @override
    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
