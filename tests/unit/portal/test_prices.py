import asyncio

import msgspec
import pytest
from stage.pages import CHAT, Prices, shop

from puyun.catalog.model import Tier
from puyun.kit.clock import ManualClock
from puyun.kit.errors import PuyunError
from puyun.portal.board import PriceBoard
from puyun.portal.pages import prices as module
from puyun.portal.pages.prices import PriceFeed


def test_the_feed_has_every_offer_and_needs_no_key(client):
    answer = client.get("/api/prices")
    assert answer.headers["access-control-allow-origin"] == "*"
    found = answer.json()
    assert (found["currency"], found["unit"]) == ("USD", "per million tokens")
    flex = next(offer for offer in found["offers"] if offer["model"] == CHAT.name and offer["tier"] == "flex")
    assert flex["prices"]["input"] == "2.50"
    assert len(found["offers"]) == 8


def test_an_unchanged_list_is_not_sent_again(pages, client):
    etag = client.get("/api/prices").headers["etag"]
    again = client.get("/api/prices", headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    pages.prices.set(CHAT, Tier.FLEX, "input", "3")
    assert client.get("/api/prices", headers={"if-none-match": etag}).status_code == 200


@pytest.fixture
def prices() -> Prices:
    return shop()


@pytest.fixture
def clock():
    return ManualClock(10**15)


@pytest.fixture
def feed(monkeypatch, prices, clock):
    monkeypatch.setattr(module, "LOOK_EVERY", 0)
    feed = PriceFeed(PriceBoard(lambda: prices, clock), clock, "USD", lambda: feed.closing)
    feed.closing = False
    return feed


def told(feed, *steps):
    """The events of one stream; each step happens after the event before it."""

    async def listen():
        events, found = feed._events(), []
        assert await anext(events) == b"retry: 2000\n\n"
        for step in steps:
            step()
            chunk = await anext(events, None)
            found.append(chunk and parse(chunk))
        await events.aclose()
        return found

    return asyncio.run(listen())


def parse(chunk):
    head, data = chunk.decode().strip().split("\n")
    return head.removeprefix("event: "), msgspec.json.decode(data.removeprefix("data: "))["version"]


def nothing():
    pass


def test_the_first_event_is_the_version_in_force_and_the_next_a_change(feed, prices, clock):
    (first, before), (second, after) = told(feed, nothing, lambda: prices.set(CHAT, Tier.FLEX, "input", "3"))
    assert (first, second) == ("prices", "prices")
    assert before != after == PriceBoard(lambda: prices, clock).current().version


def test_an_announced_price_is_told_when_it_takes_effect(feed, prices, clock):
    prices.set(CHAT, Tier.FLEX, "input", "3", start=clock.now() + 10)
    (_, before), (name, after) = told(feed, nothing, lambda: clock.advance(10))
    assert name == "prices"
    assert before != after


def test_without_a_change_there_is_a_sign_of_life(feed, clock):
    first, second = told(feed, nothing, lambda: clock.advance(module.TICK_EVERY))
    assert second == ("tick", first[1])


def test_a_stream_ends_when_the_server_wants_to_go(feed):
    assert told(feed, nothing, lambda: setattr(feed, "closing", True))[-1] is None


def test_streams_are_bounded(feed):
    """Each is counted before its first event."""

    async def open_too_many():
        for _ in range(module.STREAMS_MAX):
            await feed.stream(None)
        with pytest.raises(PuyunError) as caught:
            await feed.stream(None)
        return caught

    caught = asyncio.run(open_too_many())
    assert (caught.value.code, caught.value.headers) == ("too_many_streams", {"retry-after": "15"})
