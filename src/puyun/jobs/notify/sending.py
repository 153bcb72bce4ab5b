"""One try of a delivery: to the address that was checked and no other, without redirects, in ten seconds, and hardly
anything of the answer is read.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx2

import puyun
from puyun.kit.clock import Clock
from puyun.kit.errors import PuyunError
from puyun.notices.address import Place, allowed, parse_url
from puyun.notices.signing import headers
from puyun.storage.webhooks.deliveries import ANSWER_MAX, Outcome, Taken

PATIENCE_SECONDS = 10.0
BYTES_MAX = 4 * ANSWER_MAX
"""Of an answer; a character has at most four bytes."""

_ERROR_MAX = 200

_STREAM = socket.SOCK_STREAM

_RESOLVERS = 32
"""Threads that look names up: a name server that says nothing must not keep those of others busy."""

Resolve = Callable[[str, int], Awaitable[list[str]]]


class Resolver:
    """Looks names up in threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_RESOLVERS, "webhook-names")

    async def __call__(self, host: str, port: int) -> list[str]:
        """What a name leads to. Raises OSError, or UnicodeError for what is no name."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, partial(socket.getaddrinfo, host, port, type=_STREAM))
        return list(dict.fromkeys(str(place[0]) for *_, place in found))


class Sender:
    """`private`: the operator lets webhooks go to private addresses."""

    def __init__(
        self,
        clock: Clock,
        *,
        private: bool,
        resolve: Resolve | None = None,
        patience: float = PATIENCE_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._clock = clock
        self._private = private
        self._resolve = resolve or Resolver()
        self._patience = patience
        self._tls = tls or ssl.create_default_context()

    async def send(self, taken: Taken) -> Outcome:
        """What came of it, whatever that is: it raises nothing of the network."""
        loop = asyncio.get_running_loop()
        began = loop.time()

        def failed(text: str) -> Outcome:
            return Outcome(took_ms=int((loop.time() - began) * 1000), error=text[:_ERROR_MAX])

        try:
            async with asyncio.timeout(self._patience):
                code, answer = await self._post(taken)
        except TimeoutError:
            return failed(f"No answer within {self._patience:g} seconds.")
        except PuyunError as error:
            return failed(error.message)
        except (
            httpx2.HTTPError,
            httpx2.InvalidURL,
            OSError,
            ValueError,
        ) as error:  # ValueError: a name nobody resolves
            return failed(f"{type(error).__name__}: {error}")
        error = "Redirects are not followed." if 300 <= code < 400 else ""
        return Outcome(took_ms=int((loop.time() - began) * 1000), code=code, answer=answer, error=error)

    async def _post(self, taken: Taken) -> tuple[int, str]:
        place = parse_url(taken.url, private=self._private)
        address = await self._checked(place)
        host = f"[{address}]" if ":" in address else address
        url = f"{'https' if place.tls else 'http'}://{host}:{place.port}{place.path}"
        signed = headers(taken.secrets, taken.message, self._clock.now(), taken.body)
        head = {
            "host": place.authority,
            "content-type": "application/json",
            "user-agent": f"puyun-webhooks/{puyun.__version__}",
            "accept-encoding": "identity",
            "connection": "close",
        }
        # A connection of its own: one to the same address may have been opened, and its certificate read, for another name.
        transport = httpx2.AsyncHTTPTransport(
            verify=self._tls, trust_env=False, limits=httpx2.Limits(max_connections=1, max_keepalive_connections=0)
        )
        async with (
            httpx2.AsyncClient(transport=transport, trust_env=False, timeout=self._patience) as client,
            client.stream(
                "POST", url, headers=head | signed, content=taken.body, extensions={"sni_hostname": place.host}
            ) as response,
        ):
            return response.status_code, await _beginning(response)

    async def _checked(self, place: Place) -> str:
        """The first address that may be connected to; it is what is connected to: a second look-up cannot differ."""
        found = await self._resolve(place.host, place.port)
        good = [address for address in found if allowed(address, private=self._private)]
        if not good:
            text = f"{place.host} leads to no public address. Webhooks go to public ones."
            raise PuyunError("url_not_public", 400, text)
        return good[0]


async def _beginning(response: httpx2.Response) -> str:
    """The first characters, without those that a page or a database could not show."""
    body = b""
    async for piece in response.aiter_raw():
        body += piece[: BYTES_MAX - len(body)]
        if len(body) >= BYTES_MAX:
            break
    text = body.decode("utf-8", "replace")
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )[:ANSWER_MAX]
