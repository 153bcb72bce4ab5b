from urllib.parse import parse_qsl

import pytest
from stage.pages import CHAT, DEMO, EMBEDDING, HOSTILE, shop

from puyun.catalog.model import Kind, Tier
from puyun.kit.clock import Instant
from puyun.portal.pricelist import Query, by_model, kinds, parse_query, select, special_meters, vendors
from puyun.pricing.offers import list_offers


@pytest.fixture
def offers():
    prices = shop()
    return list_offers(prices.models, prices.book, revision=1, now=Instant(1)).offers


def names(entries):
    return [entry.model for entry in entries]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [HOSTILE, EMBEDDING, CHAT, DEMO]),
        ({"q": "GPT"}, [CHAT]),
        ({"q": "openai  embed"}, [EMBEDDING]),
        ({"q": "demonstration"}, [DEMO]),
        ({"q": "nothing like it"}, []),
        ({"kind": "embedding"}, [EMBEDDING]),
        ({"kind": "nonsense"}, [HOSTILE, EMBEDDING, CHAT, DEMO]),
        ({"vendor": "o&o"}, [HOSTILE]),
        ({"tier": "enterprise"}, [CHAT, DEMO]),
        ({"tier": "enterprise", "vendor": "openai"}, [CHAT]),
        ({"context": "8000"}, [EMBEDDING, CHAT]),
        ({"context": "8192"}, [EMBEDDING, CHAT]),
        ({"context": "8193", "kind": "embedding"}, []),
        ({"context": "-1"}, [HOSTILE, EMBEDDING, CHAT, DEMO]),
        ({"context": "9" * 5000}, [HOSTILE, EMBEDDING, CHAT, DEMO]),
        ({"meter": "cached_input"}, [CHAT]),
        ({"meter": "audio"}, []),
        ({"meter": "nonsense"}, [HOSTILE, EMBEDDING, CHAT, DEMO]),
        ({"sort": "input"}, [DEMO, EMBEDDING, HOSTILE, CHAT]),
        ({"sort": "input", "order": "desc"}, [CHAT, HOSTILE, EMBEDDING, DEMO]),
        ({"sort": "output", "order": "desc"}, [CHAT, DEMO, HOSTILE, EMBEDDING]),  # without a price: last either way
        ({"sort": "output"}, [DEMO, CHAT, HOSTILE, EMBEDDING]),
        ({"sort": "context", "order": "desc"}, [CHAT, EMBEDDING, DEMO, HOSTILE]),
        ({"sort": "model", "order": "desc"}, [DEMO, CHAT, EMBEDDING, HOSTILE]),
    ],
)
def test_a_query_chooses_and_sorts(offers, parameters, expected):
    assert names(select(offers, parse_query(parameters))) == expected


def test_a_tier_shows_that_tier_alone(offers):
    (entry,) = select(offers, Query(tier="flex", text="gpt"))
    assert [offer.tier for offer in entry.offers] == [Tier.FLEX]
    assert entry.price("input") == 2_500_000


def test_all_tiers_of_a_model_stand_together(offers):
    found = {entry.model.name: [offer.tier for offer in entry.offers] for entry in by_model(offers)}
    assert found[CHAT.name] == list(Tier)
    assert found[EMBEDDING.name] == [Tier.FLEX]


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"q": "a&b ü"},
        {"context": "8000", "meter": "cached_input"},
        {"kind": "chat", "vendor": "o&o", "tier": "test", "sort": "input", "order": "desc"},
    ],
)
def test_an_address_gives_its_query_back(parameters):
    query = parse_query(parameters)
    path, _, parts = query.href().partition("?")
    assert path == "/"
    assert parse_query(dict(parse_qsl(parts))) == query


def test_a_column_sorts_and_then_the_other_way_round():
    assert Query().sorted_by("input") == "/?sort=input"
    assert parse_query({"sort": "input"}).sorted_by("input") == "/?sort=input&order=desc"
    assert parse_query({"sort": "input", "order": "desc"}).sorted_by("input") == "/?sort=input"


def test_the_choices_are_those_that_are_sold(offers):
    assert vendors(offers) == ["o&o", "openai", "puyun"]
    assert special_meters(offers) == ["cached_input"]
    assert kinds(offers) == [Kind.CHAT, Kind.EMBEDDING, Kind.RERANK]


def test_a_long_text_is_cut():
    assert len(parse_query({"q": "x" * 10_000}).text) == 100
