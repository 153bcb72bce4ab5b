"""Who may be connected to, and how: private addresses, TLS, proxies. Real sockets; names are resolved by a table."""

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from scripted import OK, PATIENCE, Reader, Script, Server, Writer, answers

from puyun.egress.connect import PROXY_ANSWER_MAX, ConnectFailedError, Connector
from puyun.egress.target import Target
from puyun.gateway.upstream import Connection

PEM = Path(__file__).parents[2] / "data" / "localhost.pem"
REQUEST = b"GET /v1 HTTP/1.1\r\nhost: x\r\n\r\n"


def connector(*, allow_private: bool = True, timeout: float = PATIENCE, proxy: str = "") -> Connector:
    return Connector(allow_private=allow_private, timeout=timeout, proxy=proxy)


async def ask(connector: Connector, target: Target) -> bytes:
    connection = await connector.open(target, lambda: Connection(asyncio.get_running_loop()))
    try:
        connection.send(REQUEST, first_byte=PATIENCE, idle=PATIENCE)
        await connection.response()
        return await connection.read_all(10_000)
    finally:
        connection.close()
        await asyncio.sleep(0)


def play(script: Script, scene: Callable[[Server], Awaitable[None]], tls: ssl.SSLContext | None = None) -> None:
    async def run() -> None:
        async with asyncio.timeout(PATIENCE * 2), Server(script, tls) as server:
            await scene(server)

    asyncio.run(run())


def resolving(monkeypatch: pytest.MonkeyPatch, table: dict[str, list[str]]) -> None:
    """Names are found in this table, and addresses resolve to themselves."""
    real = asyncio.base_events.BaseEventLoop.getaddrinfo

    async def getaddrinfo(self, host, port, **how) -> list:
        if host not in table:
            return await real(self, host, port, **how)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in table[host]]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", getaddrinfo)


# --- which addresses -----------------------------------------------------------------------------------------------
PRIVATE = """
127.0.0.1
127.1.2.3
0.0.0.0
10.1.2.3
172.16.0.1
192.168.0.1
169.254.169.254
100.64.0.1
::1
::
::ffff:127.0.0.1
::ffff:169.254.169.254
fe80::1
fc00::1
2001:db8::1
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    async def scene(server: Server) -> None:
        with pytest.raises(ConnectFailedError, match=r"only private addresses; upstream\.allow_private opens them"):
            await ask(connector(allow_private=False), server.target(host="provider.example"))
        assert server.connections == 0

    resolving(monkeypatch, {"provider.example": [address]})
    play(answers(OK), scene)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f000001", "127.1", "0177.0.0.1"])
def test_loopback_is_refused_however_it_is_spelled(host: str) -> None:
    async def scene(server: Server) -> None:
        with pytest.raises(ConnectFailedError):
            await ask(connector(allow_private=False), server.target(host=host))
        assert server.connections == 0

    play(answers(OK), scene)


def test_it_is_allowed_where_the_operator_says_so() -> None:
    async def scene(server: Server) -> None:
        assert await ask(connector(), server.target()) == b"ok"

    play(answers(OK), scene)


def test_an_exempt_origin_needs_no_permission_and_opens_nothing_else() -> None:
    """The embedded model's own port."""

    async def scene(server: Server) -> None:
        mine = connector(allow_private=False)
        mine.exempt.add(("127.0.0.1", server.port))
        assert await ask(mine, server.target()) == b"ok"
        with pytest.raises(ConnectFailedError):
            await ask(mine, server.target(host="localhost"))

    play(answers(OK), scene)


def test_of_several_addresses_only_allowed_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was resolved is what is connected to: there is no second look-up that could say something else."""
    tried: list[str] = []

    async def create_connection(self, factory, host, port, **how):
        tried.append(host)
        raise ConnectionRefusedError

    resolving(monkeypatch, {"provider.example": ["10.0.0.1", "93.184.216.34", "127.0.0.1", "1.1.1.1"]})
    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "create_connection", create_connection)

    async def scene(server: Server) -> None:
        with pytest.raises(ConnectFailedError):
            await ask(connector(allow_private=False), server.target(host="provider.example"))

    play(answers(OK), scene)
    assert tried == ["93.184.216.34", "1.1.1.1"]


def test_the_next_address_is_tried_where_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, {"provider.example": ["127.0.0.2", "127.0.0.1"]})

    async def scene(server: Server) -> None:
        assert await ask(connector(), server.target(host="provider.example")) == b"ok"

    play(answers(OK), scene)


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example", "no-such-host.invalid"])
def test_a_name_that_does_not_resolve(host: str) -> None:
    async def scene(server: Server) -> None:
        with pytest.raises(ConnectFailedError):
            await ask(connector(), server.target(host=host))

    play(answers(OK), scene)


def test_nobody_listens() -> None:
    async def scene(server: Server) -> None:
        target = server.target()
        server._server.close()
        await server._server.wait_closed()
        with pytest.raises(ConnectFailedError, match=rf"127\.0\.0\.1:{target.port}"):
            await ask(connector(), target)

    play(answers(OK), scene)


# --- TLS -----------------------------------------------------------------------------------------------------------
def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    async def scene(server: Server) -> None:
        with pytest.raises(ConnectFailedError, match="certificate verify failed"):
            await ask(connector(), server.target("https", "localhost"))

    play(answers(OK), scene, tls())


def test_a_certificate_that_is_trusted_serves_its_own_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))

    async def scene(server: Server) -> None:
        assert await ask(connector(), server.target("https", "localhost")) == b"ok"
        with pytest.raises(ConnectFailedError, match="certificate verify failed"):
            await ask(connector(), server.target("https", "127.0.0.1"))

    play(answers(OK), scene, tls())


def test_a_server_without_tls_is_not_spoken_to_in_the_clear() -> None:
    seen: list[bytes] = []

    async def script(reader: Reader, writer: Writer) -> None:
        seen.append(await reader.read(100))
        writer.write(OK)

    async def scene(server: Server) -> None:
        with pytest.raises(ConnectFailedError):
            await ask(connector(), server.target("https", "localhost"))
        assert b"GET" not in b"".join(seen)

    play(script, scene)


# --- proxy ---------------------------------------------------------------------------------------------------------
class Proxy:
    """A tiny one: answers CONNECT as told, then passes bytes to where the test says."""

    def __init__(self, answer: bytes = b"HTTP/1.1 200 Connection established\r\nx-proxy: 1\r\n\r\n") -> None:
        self._answer = answer
        self.port = 0
        self.asked: list[bytes] = []

    async def script(self, reader: Reader, writer: Writer) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self._answer)
        if not self.port:
            await reader.read()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(passed(reader, back), passed(there, writer))


async def passed(reader: Reader, writer: Writer) -> None:
    try:
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


def through(
    proxy: Proxy,
    scene: Callable[[Server, Connector], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
    user: str = "",
) -> None:
    async def outer(server: Server) -> None:
        async with Server(proxy.script) as place:
            proxy.port = server.port
            await scene(server, connector(allow_private=False, proxy=f"http://{user}127.0.0.1:{place.port}"))

    play(answers(OK), outer, tls)


def test_calls_go_through_the_proxy_which_decides_about_addresses() -> None:
    proxy = Proxy()

    async def scene(server: Server, mine: Connector) -> None:
        assert await ask(mine, server.target(host="provider.example")) == b"ok"
        place = f"provider.example:{server.port}"
        assert proxy.asked == [f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n\r\n".encode()]

    through(proxy, scene)


@pytest.mark.parametrize(
    ("user", "basic"),
    [("ann:s%40cr%3At@", b"ann:s@cr:t"), ("ann@", b"ann:"), ("%C3%A4nn:p%0D%0Ax@", "änn:p\r\nx".encode())],
)
def test_a_proxy_that_wants_to_know_gets_user_and_password_and_the_provider_does_not(user: str, basic: bytes) -> None:
    proxy = Proxy()

    async def scene(server: Server, mine: Connector) -> None:
        assert await ask(mine, server.target(host="provider.example")) == b"ok"
        (asked,) = proxy.asked
        assert asked.split(b"\r\n")[2:] == [b"proxy-authorization: Basic " + b64encode(basic), b"", b""]

    through(proxy, scene, user=user)


def test_a_password_is_in_no_error() -> None:
    async def scene(server: Server, mine: Connector) -> None:
        with pytest.raises(ConnectFailedError) as caught:
            await ask(mine, server.target())
        assert "hush" not in str(caught.value) + repr(caught.value.__cause__)

    for answer in (b"HTTP/1.1 407 No\r\n\r\n", b"HTTP/1.1 403 No\r\n\r\n", b"nonsense\r\n\r\n"):
        through(Proxy(answer), scene, user="ann:hush@")


def test_tls_goes_through_the_proxy_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(PEM))

    async def scene(server: Server, mine: Connector) -> None:
        assert await ask(mine, server.target("https", "localhost")) == b"ok"

    through(Proxy(), scene, tls())


def test_a_proxy_cannot_stand_in_for_the_provider() -> None:
    async def scene(server: Server, mine: Connector) -> None:
        with pytest.raises(ConnectFailedError, match="certificate verify failed"):
            await ask(mine, server.target("https", "localhost"))

    through(Proxy(), scene, tls())


def test_the_embedded_model_is_not_asked_for_through_the_proxy() -> None:
    proxy = Proxy()

    async def scene(server: Server, mine: Connector) -> None:
        mine.exempt.add(("127.0.0.1", server.port))
        assert await ask(mine, server.target()) == b"ok"
        assert proxy.asked == []

    through(proxy, scene)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "the proxy refused our user and password, or wants some",
        ),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "the proxy refused.*502"),
        (b"hello\r\n\r\n", "the proxy refused"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (PROXY_ANSWER_MAX // 6 + 1), "has no end"),
    ],
    ids=["who are you", "cannot reach it", "no HTTP", "no end"],
)
def test_a_proxy_that_does_not_agree(answer: bytes, message: str) -> None:
    async def scene(server: Server, mine: Connector) -> None:
        with pytest.raises(ConnectFailedError, match=message):
            await ask(mine, server.target())
        assert server.connections == 0

    through(Proxy(answer), scene)


def test_a_proxy_that_hangs_up() -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async def scene(server: Server) -> None:
        with pytest.raises(ConnectFailedError, match="closed the connection"):
            await ask(connector(proxy=f"http://127.0.0.1:{server.port}"), server.target(host="provider.example"))

    play(script, scene)


def test_a_proxy_that_says_nothing_is_waited_for_so_long() -> None:
    async def scene(server: Server) -> None:
        impatient = connector(proxy=f"http://127.0.0.1:{server.port}", timeout=0.05)
        with pytest.raises(ConnectFailedError, match="timed out"):
            await ask(impatient, server.target(host="provider.example"))

    play(answers(b""), scene)
