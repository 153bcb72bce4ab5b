"""Streams of limits are bounded however many begin at once, and what is not sold is not listed."""

import asyncio
from types import SimpleNamespace

import msgspec
import pytest
from stage.arbiter import StageArbiter
from stage.pages import CHAT, EMBEDDING, shop
from starlette.requests import Request

from puyun.api import limits as module
from puyun.api.limits import LimitFeed
from puyun.catalog.model import Tier
from puyun.catalog.snapshot import Key
from puyun.identity.keys import fingerprint
from puyun.kit.clock import ManualClock

SECRET = "sk-puyun-any"
NOW = 10**15


def a_key(**changes):
    fields = {
        "id": 1,
        "org": 7,
        "tier": Tier.FLEX,
        "tiers": frozenset(Tier),
        "models": frozenset(),
        "networks": (),
        "expires_at": None,
        "active": True,
    }
    return Key(**(fields | changes))


def asked(query=b""):
    headers = [(b"authorization", b"Bearer " + SECRET.encode())]
    return Request({"type": "http", "method": "GET", "path": "/v1/limits", "query_string": query, "headers": headers})


@pytest.fixture
def arbiter():
    return StageArbiter(ManualClock(NOW))


@pytest.fixture
def feed(monkeypatch, arbiter):
    monkeypatch.setattr(module, "STREAMS_MAX", 3)
    monkeypatch.setattr(module, "EVERY_SECONDS", 0)
    plane = SimpleNamespace(
        keys={fingerprint(SECRET): a_key()},
        snapshot=shop().snapshot(),
        proxies=(),
        mint_request_id=lambda: "req_1",
    )
    feed = LimitFeed(
        SimpleNamespace(plane=plane, arbiter=arbiter, clock=ManualClock(NOW), stopping=lambda: feed.closing)
    )
    feed.closing = False
    return feed


def test_streams_that_begin_together_are_bounded(feed):
    async def scene():
        answers = await asyncio.gather(*(feed.stream(asked()) for _ in range(10)))
        return [answer.status_code for answer in answers]

    assert sorted(asyncio.run(scene())) == [200] * 3 + [503] * 7


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (b"tier=enterprise", ["gpt-4o", "puyun/demo"]),
        (b"tier=flex", ["embed-3", "gpt-4o", "puyun/demo"]),
        (b"tier=enterprise&model=embed-3", ["embed-3"]),
    ],
)
def test_what_is_sold_at_the_tier_is_listed_and_the_rest_told_when_asked_for(feed, query, names):
    answer = asyncio.run(feed.limits(asked(query)))
    models = msgspec.json.decode(answer.body)["models"]
    assert sorted(row["model"] for row in models) == names
    assert all(row["limits"] for row in models)


def test_a_row_says_where_its_limit_comes_from_and_what_counts_in_it(feed, arbiter):
    arbiter.call(7, 1, tokens=60)
    answer = msgspec.json.decode(asyncio.run(feed.limits(asked(f"model={CHAT.name}".encode()))).body)
    (row,) = answer["models"]
    assert row["in_flight"] == 1
    rpm, itpm, *_, flights, _ = row["limits"]
    assert rpm == {
        "metric": "rpm",
        "limit": 300,
        "burst": 50,
        "used": 1,
        "remaining": 49,
        "reset_ms": 200,
        "window_seconds": 60,
        "from": "default",
        "all_models": False,
        "starts": None,
        "ends": None,
        "why": "",
    }
    assert (itpm["metric"], itpm["used"], itpm["all_models"]) == ("itpm", 60, False)
    assert (flights["metric"], flights["window_seconds"], flights["all_models"]) == ("in_flight", None, True)


def test_a_key_for_some_models_sees_those(feed):
    feed._deps.plane.keys[fingerprint(SECRET)] = a_key(models=frozenset({EMBEDDING.name}))
    answer = msgspec.json.decode(asyncio.run(feed.limits(asked())).body)
    assert [row["model"] for row in answer["models"]] == [EMBEDDING.name]
