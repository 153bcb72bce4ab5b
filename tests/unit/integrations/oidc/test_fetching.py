"""What an issuer may do to whoever asks it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from puyun.integrations.oidc import fetching
from puyun.integrations.oidc.fetching import AT_ONCE, Fetching, UnreachableError


@asynccontextmanager
async def answering(answer):
    """A server that says `answer`, or nothing where there is none; it notes what it was asked."""
    asked, connections = [], set()

    async def serve(reader, writer):
        connections.add(asyncio.current_task())
        asked.append((await reader.readline()).decode().split(" ")[1])
        if answer is not None:
            writer.write(answer)
        else:
            await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        await asyncio.gather(*connections)


def ask(answer, *, many=1, **options):
    async def play():
        async with answering(answer) as (address, asked):
            ours = Fetching(**({"allow_private": True} | options))
            answers = [ours.ask(f"{address}/x") for _ in range(many)]
            return await asyncio.gather(*answers, return_exceptions=True), asked

    return asyncio.run(play())


def test_an_answer_is_its_status_and_its_bytes():
    assert ask(b"HTTP/1.1 404 no\r\ncontent-length: 2\r\n\r\n{}")[0] == [(404, b"{}")]


def test_where_it_leads_on_to_is_not_followed():
    [(status, _)], asked = ask(b"HTTP/1.1 302 on\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")
    assert (status, asked) == (302, ["/x"])


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 ok\r\ncontent-length: 9\r\n\r\n{}"])
def test_what_is_no_answer_is_said_so(answer):
    [error], _ = ask(answer)
    assert isinstance(error, UnreachableError)


def test_one_that_says_nothing_is_waited_for_only_so_long_and_by_only_so_many(monkeypatch):
    monkeypatch.setattr(fetching, "PATIENCE_SECONDS", 0.3)
    errors, asked = ask(None, many=AT_ONCE + 5)
    assert all(isinstance(error, UnreachableError) for error in errors)
    assert sum("at once already" in str(error) for error in errors) == 5
    assert len(asked) == AT_ONCE


def test_addresses_and_shapes_that_the_operator_does_not_allow():
    [error], asked = ask(b"", allow_private=False)
    assert "expected https" in str(error)
    assert asked == []
    for address in ("https://127.0.0.1:1/x", "https://localhost:1/x", "ftp://x", "https://", "https://\udce9.example"):
        with pytest.raises(UnreachableError):
            asyncio.run(Fetching(allow_private=False).ask(address))
