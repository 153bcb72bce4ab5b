"""The page and its key, over a database. Chat with a real server and browser: tests/acceptance/test_playground_page.py."""

import re

import pytest
from stage.pages import CHAT, DEMO, EMBEDDING
from stage.visitor import signed_in
from starlette.testclient import TestClient

from puyun.identity.access import ALLOWED, Permission
from puyun.identity.keys import fingerprint
from puyun.identity.model import Role
from puyun.kit.clock import HOUR
from puyun.portal.playground.page import KEYS_MAX, PATH
from puyun.storage.engine import reading
from puyun.storage.identity import list_keys
from puyun.web import throttle


@pytest.fixture
def engines(pages):
    organization = pages.organization("Engines")
    pages.person("ada@example.com", organization)
    return organization


@pytest.fixture
def client(pages, engines):
    return signed_in(pages)


def token_of(client):
    return re.search(r'name="csrf" value="(\w+)"', client.get(PATH).text)[1]


def ask(client, address=f"{PATH}/key", **form):
    return client.post(address, data={"csrf": token_of(client)} | form)


def usable(pages, organization):
    with reading(pages.engine) as connection:
        return [key for key in list_keys(connection, organization.id) if key.usable(pages.clock.now())]


def test_the_chat_models_are_offered_and_no_others(client):
    page = client.get(PATH).text
    assert f'<option value="{CHAT.name}" selected>' in page
    assert f'<option value="{DEMO.name}">' in page
    assert EMBEDDING.name not in page


def test_the_address_chooses_what_can_be_called(client):
    page = client.get(f"{PATH}?model={DEMO.name}&tier=test").text
    assert f'<option value="{DEMO.name}" selected>' in page
    assert 'value="test" checked' in page
    page = client.get(f"{PATH}?model=nothing&tier=gold").text
    assert f'<option value="{CHAT.name}" selected>' in page
    assert 'value="flex" checked' in page


def test_the_key_is_of_who_asked_ends_after_an_hour_and_is_told_once(pages, client, engines):
    answer = ask(client)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    (key,) = usable(pages, engines)
    assert key.prefix == answer.json()["key"][: len(key.prefix)]
    assert key.expires_at - key.created_at == HOUR
    with reading(pages.engine) as connection:
        assert connection.exec_driver_sql("SELECT hash FROM api_key").scalar_one() == fingerprint(answer.json()["key"])
    assert answer.json()["key"] not in client.get(PATH).text


def test_windows_share_a_bound_and_the_oldest_key_goes(pages, client, engines):
    ask(client)
    [first] = usable(pages, engines)
    for _ in range(KEYS_MAX):
        assert ask(client).status_code == 200
    keys = usable(pages, engines)
    assert len(keys) == KEYS_MAX
    assert first.id not in {key.id for key in keys}


def test_keys_of_the_page_count_with_those_made_by_hand(client, monkeypatch):
    monkeypatch.setattr(throttle, "FREE_KEYS", 2)
    assert [ask(client).status_code for _ in range(4)] == [200, 200, 429, 429]


def test_a_forged_post_makes_no_key(pages, client, engines):
    assert client.post(f"{PATH}/key", data={"csrf": "0" * 64}).status_code == 403
    headers = {"sec-fetch-site": "cross-site"}
    assert client.post(f"{PATH}/key", data={"csrf": token_of(client)}, headers=headers).status_code == 403
    assert usable(pages, engines) == []


@pytest.mark.parametrize("role", Role)
def test_a_role_calls_if_it_may_have_keys(pages, engines, role):
    pages.person("bob@example.com", engines, role=role)
    browser = signed_in(pages, "bob@example.com")
    allowed = Permission.MANAGE_OWN_KEYS in ALLOWED[role]
    page = browser.get(PATH)
    assert ("Your role makes no calls." in page.text) != allowed
    token = re.search(r'name="csrf" value="(\w+)"', page.text)[1]
    assert browser.post(f"{PATH}/key", data={"csrf": token}).status_code == (200 if allowed else 403)
    assert len(usable(pages, engines)) == allowed


def test_the_key_is_of_the_organization_that_was_chosen(pages, engines):
    looms = pages.organization("Looms")
    pages.person("bob@example.com", engines, looms)
    browser = signed_in(pages, "bob@example.com")
    chosen = re.search(r'href="\?(org=org_\w+)">Looms', browser.get(PATH).text)[1]
    address = re.search(r'data-key="([^"]+)"', browser.get(f"{PATH}?{chosen}").text)[1]
    assert ask(browser, address).status_code == 200
    assert (len(usable(pages, looms)), len(usable(pages, engines))) == (1, 0)


def test_where_nothing_is_sold_it_says_so(pages, client):
    pages.prices.models.clear()
    assert "No chat model is sold to your organization" in client.get(PATH).text


def test_a_stranger_is_led_to_the_sign_in(pages):
    assert TestClient(pages.app, follow_redirects=False).get(PATH).headers["location"].startswith("/login")
