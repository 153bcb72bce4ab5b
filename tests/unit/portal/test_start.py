"""The Start page: a key that is shown once, a call that can be made, and a stream that says when it came."""

import asyncio
import re
from html import unescape

import pytest
from stage.pages import CHAT, DEMO, Prices, Site
from stage.streams import nothing, request_for, told as heard
from stage.visitor import signed_in
from starlette.testclient import TestClient

from puyun.catalog.model import Tier
from puyun.config import Brand
from puyun.identity.access import ALLOWED, Permission
from puyun.identity.keys import fingerprint, well_formed
from puyun.identity.model import Role
from puyun.kit.clock import ManualClock, parse_instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.ledger.hold import Status
from puyun.portal.board import PriceBoard
from puyun.portal.pages import start as module
from puyun.portal.pages.start import KEYS_MAX, PATH, STREAM, StartPage
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.identity import list_keys, revoke_key, set_organization
from puyun.storage.wallets import MoneyKind, top_up
from puyun.web.site import Site as WebSite

NOW = parse_instant("2026-03-15T12:30:00Z")
EMAIL = "ada@example.com"


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


@pytest.fixture
def engines(pages):
    organization = pages.organization("Engines")
    pages.person(EMAIL, organization)
    return organization


@pytest.fixture
def client(pages, engines):
    return signed_in(pages)


def give(pages, organization, amount=NANO):
    with writing(pages.engine) as connection:
        top_up(connection, organization.id, amount, kind=MoneyKind.BONUS, ref=f"t{amount}", now=NOW)


def form_of(page):
    """The form that makes a key, by its fields."""
    form = re.search(rf'<form method="post" action="{PATH}[^>]*>(.*?)</form>', page, re.DOTALL)[1]
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))


def secret_of(page):
    found = re.search(r'<code id="key">([^<]+)</code>', page)
    return found and found[1]


def keys(pages, organization):
    with reading(pages.engine) as connection:
        return list_keys(connection, organization.id)


# --- the key -----------------------------------------------------------------------------------------------------------
def test_a_key_is_made_on_request_and_shown_once(client, pages, engines):
    page = client.get(PATH).text
    assert "Make the first key" in page
    assert secret_of(page) is None
    assert keys(pages, engines) == []
    answer = client.post(PATH, data=form_of(page))
    secret = secret_of(answer.text)
    assert well_formed(secret)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("text/html")
    [key] = keys(pages, engines)
    assert (key.tier, key.name) == (Tier.FLEX, "first")
    with reading(pages.engine) as connection:
        assert connection.execute(schema.api_key.select()).one().hash == fingerprint(secret)
    after = client.get(PATH).text
    assert secret not in after
    assert "1 key is in use." in after
    assert "Make another key" in after


def test_the_shown_call_has_the_key_the_address_and_a_model_that_is_sold(client, pages, engines):
    give(pages, engines)
    page = client.post(PATH, data=form_of(client.get(PATH).text))
    calls = unescape(page.text).split('data-title="')[1:]
    assert [call.partition('"')[0] for call in calls] == ["curl", "Python", "JavaScript"]
    for call in calls:
        assert secret_of(page.text) in call
        assert "http://testserver/v1" in call
        assert DEMO.name in call
        assert "flex" in call


def test_a_form_sent_twice_makes_one_key(client, pages, engines):
    form = form_of(client.get(PATH).text)
    assert secret_of(client.post(PATH, data=form).text)
    again = client.post(PATH, data=form)
    assert (again.status_code, again.headers["location"]) == (303, PATH)
    assert len(keys(pages, engines)) == 1


def test_another_key_is_made_up_to_a_bound(client, pages, engines):
    for _ in range(KEYS_MAX):
        assert secret_of(client.post(PATH, data=form_of(client.get(PATH).text)).text)
    page = client.get(PATH).text
    assert "Make another key" not in page
    newest = keys(pages, engines)[-1]
    form = {"csrf": re.search(r'name="csrf" value="(\w+)"', page)[1], "newest": f"key_{newest.id}"}
    assert client.post(PATH, data=form).status_code == 303
    assert len(keys(pages, engines)) == KEYS_MAX
    with writing(pages.engine) as connection:
        revoke_key(connection, newest.id, NOW)
    assert secret_of(client.post(PATH, data=form_of(client.get(PATH).text)).text)


def test_a_form_without_its_token_or_of_another_site_makes_none(client, pages, engines):
    form = form_of(client.get(PATH).text)
    assert client.post(PATH, data=form | {"csrf": ""}).status_code == 403
    assert client.post(PATH, data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert keys(pages, engines) == []


@pytest.mark.parametrize("role", Role)
def test_a_role_makes_a_key_if_it_may(pages, engines, role):
    pages.person("bob@example.com", engines, role=role)
    browser = signed_in(pages, "bob@example.com")
    page = browser.get(PATH).text
    allowed = Permission.MANAGE_OWN_KEYS in ALLOWED[role]
    assert ("Make the first key" in page) == allowed
    assert ("Your role makes no keys." in page) != allowed
    form = {"csrf": re.search(r'name="csrf" value="(\w+)"', page)[1], "newest": ""}
    assert browser.post(PATH, data=form).status_code == (200 if allowed else 403)
    assert len(keys(pages, engines)) == allowed


def test_a_stranger_is_led_to_the_sign_in_and_an_outsider_sees_nothing(client, pages, engines):
    assert TestClient(pages.app, follow_redirects=False).get(PATH).headers["location"].startswith("/login")
    other = pages.organization("Looms")
    assert client.get(f"{PATH}?org=org_{other.id}").status_code == 404


def test_it_goes_on_with_the_organization_that_was_chosen(pages, engines):
    looms = pages.organization("Looms")
    pages.person("bob@example.com", engines, looms)
    browser = signed_in(pages, "bob@example.com")
    chosen = re.search(r'href="\?(org=org_\w+)">Looms', browser.get(PATH).text)[1]
    page = browser.get(f"{PATH}?{chosen}").text
    assert f'action="{PATH}?{chosen}"' in page
    assert f'data-stream="{STREAM}?{chosen}"' in page
    browser.post(f"{PATH}?{chosen}", data=form_of(page))
    assert (len(keys(pages, looms)), len(keys(pages, engines))) == (1, 0)


# --- what is to be done ------------------------------------------------------------------------------------------------
def test_without_credit_it_says_what_to_do(client, pages, engines):
    page = client.get(PATH).text
    assert "There is $0.00 of credit" in page
    assert re.search(r"name its id, <code>org_\w+</code>", page)
    give(pages, engines)
    assert "Ask the operator" not in client.get(PATH).text


def test_the_call_is_one_that_the_credit_pays_for(client, pages, engines):
    pages.prices.set(DEMO, Tier.FLEX, "output", "9000")
    pages.prices.set(CHAT, Tier.FLEX, "output", "9000")
    give(pages, engines, NANO // 100)
    page = unescape(client.get(PATH).text)
    assert f'"model": "{DEMO.name}"' in page
    assert '"service_tier": "test"' in page


def test_where_nothing_is_sold_it_says_so_and_a_key_can_be_made(client, pages, engines):
    pages.prices.served_by = ()
    page = client.get(PATH).text
    assert "No model is sold to your organization" in page
    assert "/v1/chat/completions" not in page
    assert secret_of(client.post(PATH, data=form_of(page)).text)


def test_a_key_is_of_a_tier_that_the_organization_has(client, pages, engines):
    with writing(pages.engine) as connection:
        set_organization(connection, engines.id, tiers=[Tier.ENTERPRISE])
    client.post(PATH, data=form_of(client.get(PATH).text))
    assert keys(pages, engines)[0].tier is Tier.ENTERPRISE


def test_a_call_that_came_is_shown_with_its_cost_and_leads_to_the_usage(client, pages, engines):
    assert "Waiting for your first call…" in client.get(PATH).text
    pages.ended(pages.key(engines), pages.models()[CHAT.name], 1, charge=8_755_000, input=1000, output=200)
    page = client.get(PATH).text
    assert "Received: your first call." in page
    assert '<dd data-figure="model">gpt-4o</dd>' in page
    assert '<dd data-figure="cost">$0.008755</dd>' in page
    assert "1,200 tokens" in page
    assert 'href="/portal/usage"' in page
    assert " data-done" in page


def test_a_call_that_failed_is_named_and_the_next_one_waited_for(client, pages, engines):
    pages.ended(pages.key(engines), pages.models()[CHAT.name], 1, Status.FAILED)
    page = client.get(PATH).text
    assert "came and was not completed; it cost $0.00." in page
    assert "Waiting for your first call…" in page


def test_it_is_in_the_navigation_and_the_portal_begins_with_it_until_a_call_came(client, pages, engines):
    assert client.get("/portal").headers["location"] == PATH
    assert f'href="{PATH}"' in client.get("/portal/usage").text
    pages.ended(pages.key(engines), pages.models()[CHAT.name], 1)
    assert client.get("/portal").headers["location"] == "/portal/usage"
    assert f'href="{PATH}"' not in client.get("/portal/usage").text


# --- the stream --------------------------------------------------------------------------------------------------------
@pytest.fixture
def feed(monkeypatch, pages, client):
    monkeypatch.setattr(module, "EVERY_SECONDS", 0)
    monkeypatch.setattr(module, "STREAMS_MAX", 3)
    site = WebSite(pages.engine, pages.clock, Brand(), ["puyun.portal"])
    board = PriceBoard(lambda: pages.prices, pages.clock)
    feed = StartPage(site, board, pages.catalogue, lambda: pages.stopping)
    feed.cookie = client.cookies["puyun-session"]
    return feed


def asked(feed):
    return request_for(STREAM, feed.cookie)


def told(feed, *steps):
    request = asked(feed)
    return heard(feed._events(request, feed._view(request)), *steps)


def test_a_stream_tells_of_credit_then_of_the_call_and_ends(pages, engines, client, feed):
    key, model = pages.key(engines), pages.models()[CHAT.name]
    poor, rich, done, end = told(
        feed,
        nothing,
        lambda: give(pages, engines),
        lambda: pages.ended(key, model, 1, charge=5),
        nothing,
    )
    assert [poor[0], rich[0], done[0], end] == ["start", "start", "start", None]
    assert len({poor[1]["shape"], rich[1]["shape"], done[1]["shape"]}) == 3
    assert [event["done"] for _, event in (poor, rich, done)] == [False, False, True]
    assert f'data-shape="{done[1]["shape"]}"' in client.get(PATH).text


def test_what_is_sold_later_is_told_too(pages, feed):
    prices = pages.prices
    pages.prices = Prices()

    def sell():
        pages.prices = prices
        pages.clock.advance(module.CHECK_EVERY)

    shapes = [event["shape"] for _, event in told(feed, nothing, nothing, sell)]
    assert shapes == ["model-waiting", "model-waiting", "credit-waiting"]


def test_a_reader_who_may_not_read_on_is_told_and_the_stream_ends(pages, feed, monkeypatch):
    def forbidden():
        monkeypatch.setitem(ALLOWED, Role.OWNER, frozenset())
        pages.clock.advance(module.CHECK_EVERY)

    assert [event and event[0] for event in told(feed, nothing, forbidden, nothing)] == ["start", "gone", None]


def test_a_stream_ends_after_a_while_and_when_the_server_wants_to_go(pages, feed):
    assert told(feed, nothing, lambda: setattr(pages, "stopping", True))[-1] is None
    pages.stopping = False
    assert told(feed, nothing, lambda: pages.clock.advance(module.LONGEST), nothing)[-1] is None


def test_streams_that_begin_together_are_bounded(feed):
    async def scene():
        tries = [feed.stream(asked(feed)) for _ in range(10)]
        return await asyncio.gather(*tries, return_exceptions=True)

    refused = [answer for answer in asyncio.run(scene()) if isinstance(answer, PuyunError)]
    assert {(error.code, error.status) for error in refused} == {("too_many_streams", 503)}
    assert len(refused) == 7
