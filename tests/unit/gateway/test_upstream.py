"""The client side of HTTP against a server that follows a script, over real sockets."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import uvloop
from scripted import OK, PATIENCE, Reader, Server, Writer, answers, until

from puyun.egress.connect import ConnectFailedError, Connector
from puyun.gateway import upstream
from puyun.gateway.upstream import (
    IDLE_SECONDS,
    UNREAD_MAX,
    Connection,
    Pool,
    UpstreamClosedError,
    UpstreamLostError,
    UpstreamTimeoutError,
)

REQUEST = b"POST /v1/x HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"


def pool() -> Pool:
    return Pool(Connector(allow_private=True, timeout=PATIENCE), asyncio.get_running_loop())


def play(server: Server, scene: Callable[[Server, Pool], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(PATIENCE * 2), server:
            connections = pool()
            try:
                await scene(server, connections)
            finally:
                for connection in list(connections._busy):
                    connection.close()
                connections.close()
                await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def ask(server: Server, connections: Pool) -> Connection:
    connection = await connections.open(server.target())
    connection.send(REQUEST, first_byte=PATIENCE, idle=PATIENCE)
    return connection


async def whole(connection: Connection) -> tuple[int, bytes]:
    return await connection.response(), await connection.read_all(10**7)


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n"

BODIES = [
    ("a length", OK, 200, b"ok", True),
    ("a length of nothing", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 200, b"", True),
    ("chunks", CHUNKED, 200, b"abcde", True),
    ("chunks with a trailer", CHUNKED[:-2] + b"x-t: 1\r\n\r\n", 200, b"abcde", True),
    ("no content", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    ("connection: close", OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), 200, b"ok", False),
    ("HTTP/1.0", OK.replace(b"HTTP/1.1", b"HTTP/1.0"), 200, b"ok", False),
    ("continue first", b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"ok", True),
    (
        "hints first",
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + CHUNKED,
        200,
        b"abcde",
        True,
    ),
    ("an error", OK.replace(b"200 OK", b"429 Too Many Requests"), 429, b"ok", True),
]


@pytest.mark.parametrize(
    ("answer", "status", "body", "kept"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
def test_answers_are_read_to_their_end_and_connections_kept(
    answer: bytes, status: int, body: bytes, kept: bool
) -> None:
    async def scene(server: Server, connections: Pool) -> None:
        for _ in range(2):
            connection = await ask(server, connections)
            assert await whole(connection) == (status, body)
            assert connection.finished
            assert connection.reusable is kept
            connections.release(server.target(), connection)
        assert server.connections == (1 if kept else 2)

    play(Server(answers(answer, answer)), scene)


@pytest.mark.parametrize(
    "answer", [OK, CHUNKED, b"HTTP/1.1 103 Early Hints\r\n\r\n" + CHUNKED], ids=["length", "chunks", "hints"]
)
def test_an_answer_may_come_byte_by_byte(answer: bytes) -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in answer:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        status, body = await whole(connection)
        assert (status, body) in {(200, b"ok"), (200, b"abcde")}
        assert connection.reusable

    play(Server(script), scene)


def test_a_body_may_be_ended_by_the_connection() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        assert await whole(connection) == (200, b"to the end")
        assert connection.finished
        assert not connection.reusable

    play(Server(answers(b"HTTP/1.1 200 OK\r\n\r\nto the end", then="close")), scene)


BROKEN = [
    ("nothing", b""),
    ("half a head", b"HTTP/1.1 200 OK\r\ncontent-le"),
    ("only hints", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ("less than its length", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc"),
    ("a chunk cut short", CHUNKED[:-12]),
    ("chunks without an end", CHUNKED[:-5]),
    ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    ("a bad chunk", CHUNKED.replace(b"3\r\n", b"zz\r\n")),
    ("two lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc"),
    ("a change of protocol", b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nx"),
]


@pytest.mark.parametrize("answer", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_is_not_whole_is_lost(answer: bytes) -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        with pytest.raises(UpstreamLostError):
            await whole(connection)
        assert not connection.reusable

    play(Server(answers(answer, then="close")), scene)


def test_what_came_before_it_was_lost_can_still_be_read() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        assert await connection.response() == 200
        await until(lambda: not connection.usable, "the server is gone")
        assert await connection.read() == b"abc"
        with pytest.raises(UpstreamLostError):
            await connection.read()

    play(Server(answers(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", then="close")), scene)


@pytest.mark.parametrize("extra", [b"x", OK, b"HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nbad"])
def test_bytes_after_the_end_belong_to_nobody(extra: bytes) -> None:
    """They must not become part of this answer, nor of the next call's."""

    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        assert await whole(connection) == (200, b"ok")
        assert not connection.reusable
        connections.release(server.target(), connection)
        assert await whole(await ask(server, connections)) == (200, b"ok")
        assert server.connections == 2

    play(Server(answers(OK + extra, OK)), scene)


def test_bytes_that_come_while_it_is_idle_end_a_connection() -> None:
    """Such as a 408 before the server hangs up."""
    gate = asyncio.Event()

    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        assert await whole(connection) == (200, b"ok")
        connections.release(server.target(), connection)
        gate.set()
        await until(lambda: not connection.usable, "the late bytes were seen")
        assert await whole(await ask(server, connections)) == (200, b"ok")
        assert server.connections == 2

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await gate.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        await reader.read()

    play(Server(script), scene)


def test_a_connection_that_the_server_closed_is_dropped_before_a_byte_is_written() -> None:
    """Nothing is sent twice, because nothing was sent."""
    heads: list[bytes] = []

    async def script(reader: Reader, writer: Writer) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)

    async def scene(server: Server, connections: Pool) -> None:
        for _ in range(3):
            connection = await ask(server, connections)
            assert await whole(connection) == (200, b"ok")
            connections.release(server.target(), connection)
            await until(lambda connection=connection: not connection.usable, "the server has closed")
        assert server.connections == len(heads) == 3

    play(Server(script), scene)


@pytest.mark.parametrize("head", [b"x-y: " + b"z" * 70_000, b"x-y: z\r\n" * 10_000], ids=["one line", "many"])
def test_a_head_has_a_largest_size(head: bytes) -> None:
    async def scene(server: Server, connections: Pool) -> None:
        with pytest.raises(UpstreamLostError):
            await (await ask(server, connections)).response()

    play(Server(answers(b"HTTP/1.1 200 OK\r\n" + head)), scene)


@pytest.mark.parametrize("size", [1001, UNREAD_MAX * 3])
def test_a_body_over_the_limit_is_lost(size: int) -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        assert await connection.response() == 200
        with pytest.raises(UpstreamLostError, match="larger than we take"):
            await connection.read_all(1000)

    play(Server(answers(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)), scene)


def test_a_body_at_the_limit_is_read() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        await connection.response()
        assert await connection.read_all(2) == b"ok"

    play(Server(answers(OK)), scene)


# --- time ----------------------------------------------------------------------------------------------------------
def test_silence_before_the_first_byte_times_out() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        now = asyncio.get_running_loop().time()
        connections.sweep(now + PATIENCE - 1)
        assert connection.usable
        connections.sweep(now + PATIENCE + 1)
        with pytest.raises(UpstreamTimeoutError):
            await connection.response()

    play(Server(answers(b"")), scene)


def test_silence_on_a_connection_that_is_used_again_times_out_too() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        first = await ask(server, connections)
        await whole(first)
        connections.release(server.target(), first)
        again = await ask(server, connections)
        assert again is first
        connections.sweep(asyncio.get_running_loop().time() + PATIENCE + 1)
        with pytest.raises(UpstreamTimeoutError):
            await again.response()

    play(Server(answers(OK)), scene)


def test_what_was_released_is_forgotten() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        kept, dropped = await ask(server, connections), await ask(server, connections)
        await whole(kept)
        assert connections._busy == {kept, dropped}
        for connection in (kept, dropped):
            connections.release(server.target(), connection)
        assert connections._busy == set()

    play(Server(answers(OK)), scene)


def test_silence_in_the_middle_times_out_whoever_waits() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await connections.open(server.target())
        connection.send(REQUEST, first_byte=1, idle=PATIENCE * 10)
        assert await connection.response() == 200
        assert await connection.read() == b"abc"
        waiting = asyncio.ensure_future(connection.read())
        await asyncio.sleep(0)
        now = asyncio.get_running_loop().time()
        connections.sweep(now + PATIENCE)  # the patience for the first byte counts no more
        assert not waiting.done()
        connections.sweep(now + PATIENCE * 11)
        with pytest.raises(UpstreamTimeoutError):
            await waiting

    play(Server(answers(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc")), scene)


def test_a_finished_answer_does_not_time_out() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        assert await connection.response() == 200
        await until(lambda: connection.finished, "all of it has come")
        connections.sweep(float("inf"))
        assert await connection.read() == b"ok"
        assert connection.reusable

    play(Server(answers(OK)), scene)


def test_idle_connections_are_dropped_after_a_while() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        await whole(connection)
        connections.release(server.target(), connection)
        now = asyncio.get_running_loop().time()
        connections.sweep(now + IDLE_SECONDS - 1)
        assert connection.usable
        connections.sweep(now + IDLE_SECONDS + 1)
        assert not connection.usable
        await whole(await ask(server, connections))
        assert server.connections == 2

    play(Server(answers(OK, OK)), scene)


def test_so_many_idle_connections_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "IDLE_MAX", 2)

    async def scene(server: Server, connections: Pool) -> None:
        three = [await ask(server, connections) for _ in range(3)]
        for connection in three:
            await whole(connection)
        for connection in three:
            connections.release(server.target(), connection)
        assert [connection.usable for connection in three] == [False, True, True]

    play(Server(answers(OK)), scene)


# --- pressure ------------------------------------------------------------------------------------------------------
def test_a_reader_that_is_slow_slows_the_server_and_is_not_the_server_s_silence() -> None:
    size, sent = 40 * 1024 * 1024, [0]

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent[0] < size:
            writer.write(b"x" * 65_536)
            await writer.drain()
            sent[0] += 65_536
        await reader.read()

    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        await connection.response()
        await until(lambda: connection._paused, "the server was asked to pause")
        connections.sweep(float("inf"))
        assert connection.usable
        assert sent[0] < size
        assert connection._unread < UNREAD_MAX * 3
        got = 0
        while piece := await connection.read():
            got += len(piece)
            assert len(piece) < UNREAD_MAX * 3
        assert got == size
        assert connection.reusable

    play(Server(script), scene)


# --- our own end ---------------------------------------------------------------------------------------------------
def test_closing_wakes_whoever_waits_and_the_server_sees_it() -> None:
    gone = []

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        gone.append(await reader.read())

    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        waiting = asyncio.ensure_future(connection.response())
        await asyncio.sleep(0)
        connection.close()
        with pytest.raises(UpstreamClosedError):
            await waiting
        await until(lambda: gone, "the server noticed")
        with pytest.raises(UpstreamClosedError):
            await connection.read()
        connections.release(server.target(), connection)

    play(Server(script), scene)


def test_what_is_released_half_read_is_not_used_again() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        await connection.response()
        connections.release(server.target(), connection)
        assert not connection.usable
        assert await whole(await ask(server, connections))
        assert server.connections == 2

    halves = [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", OK]

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(halves.pop(0))
        await reader.read()

    play(Server(script), scene)


def test_a_server_that_does_not_listen() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        target = server.target()
        server._server.close()
        await server._server.wait_closed()
        with pytest.raises(ConnectFailedError):
            await connections.open(target)

    play(Server(answers()), scene)


def test_origins_do_not_share_connections() -> None:
    async def scene(server: Server, connections: Pool) -> None:
        connection = await ask(server, connections)
        await whole(connection)
        connections.release(server.target(), connection)
        other = await connections.open(server.target(host="localhost"))
        assert other is not connection
        assert await connections.open(server.target(path="/other")) is connection

    play(Server(answers(OK, OK)), scene)
