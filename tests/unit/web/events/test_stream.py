"""A stream counts from before it opens until its answer is over, whoever ends it and however early."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect

from puyun.kit.errors import PuyunError
from puyun.web.events.stream import Streams

SCOPE = {"type": "http", "asgi": {"spec_version": "2.4"}}


async def events():
    yield b"one"
    yield b"two"


async def broken():
    yield b"one"
    raise ZeroDivisionError


async def sent(response, most=10):
    """The body, as far as a client reads it that leaves after `most` messages."""
    messages = []

    async def send(message):
        if len(messages) == most:
            raise OSError("gone")
        messages.append(message)

    await response(SCOPE, None, send)
    return b"".join(message.get("body", b"") for message in messages)


@pytest.fixture
def streams():
    return Streams(2, "figures", retry_after=7)


def test_more_than_there_is_room_for_are_told_to_come_again(streams):
    streams.stream(events())
    streams.stream(events())
    with pytest.raises(PuyunError) as caught:
        streams.stream(events())
    assert (caught.value.status, caught.value.code) == (503, "too_many_streams")
    assert caught.value.headers == {"retry-after": "7"}
    assert streams.open == 2


def test_one_that_ends_makes_room(streams):
    response = streams.stream(events())
    assert response.headers["content-type"].startswith("text/event-stream")
    assert asyncio.run(sent(response)) == b"onetwo"
    assert streams.open == 0


@pytest.mark.parametrize("read", [0, 1, 2])
def test_a_reader_who_leaves_makes_room_even_before_the_first_event(streams, read):
    with pytest.raises(ClientDisconnect):
        asyncio.run(sent(streams.stream(events()), read))
    assert streams.open == 0


def test_one_that_breaks_makes_room(streams):
    with pytest.raises(ZeroDivisionError):
        asyncio.run(sent(streams.stream(broken())))
    assert streams.open == 0
