"""Access tokens under Settings: a secret is shown once, a form makes one token, a foreign token is not there."""

import re
from html import unescape

import pytest
from stage.control import serve_control, token
from stage.pages import Site
from stage.visitor import signed_in
from starlette.testclient import TestClient

from puyun.identity.model import Membership, Role
from puyun.identity.tokens import Scope, TokenState, well_formed
from puyun.kit.clock import DAY, ManualClock, parse_instant
from puyun.kit.ids import format_id
from puyun.storage.control.tokens import TOKENS_MAX, list_tokens
from puyun.storage.engine import reading, writing
from puyun.storage.identity import set_membership

NOW = parse_instant("2026-03-15T12:30:00Z")
EMAIL = "ada@example.com"
PAGE = "/portal/settings/tokens"


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


@pytest.fixture
def engines(pages):
    return pages.organization("Engines")


@pytest.fixture
def ada(pages, engines):
    return pages.person(EMAIL, engines)


@pytest.fixture
def client(pages, ada):
    return signed_in(pages)


def hidden(page):
    form = re.search(r'<form class="stack.*?</form>', page, re.DOTALL)[0]
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)}


def send(client, path=PAGE, **fields):
    return client.post(path, data=hidden(client.get(path).text) | fields)


GOOD = {"name": "ci", "scope": ["keys:read", "usage:read"], "lifetime": "30d"}


def make(client, **fields):
    return send(client, **(GOOD | fields))


def lines(pages, organization):
    with reading(pages.engine) as connection:
        return list_tokens(connection, organization.id, pages.clock.now())


def secret(answer):
    assert answer.status_code == 200, answer.text
    return re.search(r'id="secret"[^>]*>([^<]*)<', answer.text)[1]


def opens(pages, text):
    api = TestClient(serve_control(pages))
    return api.get("/api/v1/token", headers={"authorization": f"Bearer {text}"}).status_code == 200


def faults(answer):
    return re.findall(r'class="fault" id="fault-(\w+)"', answer.text)


def test_a_token_is_made_shown_once_and_opens(client, pages, engines, ada):
    answer = make(client)
    text = secret(answer)
    assert answer.headers["cache-control"] == "no-store"
    assert well_formed(text)
    assert opens(pages, text)
    [line] = lines(pages, engines)
    assert (line.token.name, line.token.user, line.owner, line.state) == ("ci", ada.id, EMAIL, TokenState.ACTIVE)
    assert line.token.scopes == (Scope.KEYS_READ, Scope.USAGE_READ)
    assert line.token.expires_at == NOW + 30 * DAY
    listed = client.get(PAGE).text
    assert line.token.prefix in listed
    assert text not in listed


def test_a_form_that_is_sent_again_makes_no_second_token(client, pages, engines):
    form = hidden(client.get(PAGE).text) | GOOD
    first = client.post(PAGE, data=form)
    again = client.post(PAGE, data=form)
    assert again.headers["location"] == f"{PAGE}?repeated=1"
    assert secret(first) not in client.get(again.headers["location"]).text
    assert len(lines(pages, engines)) == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "x" * 101}, ["name"]),
        ({"scope": []}, ["scopes"]),
        ({"scope": ["everything"]}, ["scopes"]),
        ({"lifetime": "9999d"}, ["lifetime"]),
        ({"lifetime": ""}, ["lifetime"]),
    ],
)
def test_what_makes_no_token_loses_nothing(client, pages, engines, fields, expected):
    answer = make(client, **fields)
    assert answer.status_code == 422
    assert faults(answer) == expected
    if "name" not in fields:
        assert 'value="ci"' in answer.text
    assert lines(pages, engines) == []


@pytest.mark.parametrize("csrf", ["", "0" * 64])
def test_a_forged_form_makes_nothing(client, pages, engines, csrf):
    assert make(client, csrf=csrf).status_code == 403
    assert lines(pages, engines) == []


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_who_may_not_manage_keys_sees_none(pages, engines, role):
    pages.person("mel@example.com", engines, role=role)
    client = signed_in(pages, "mel@example.com")
    assert client.get(PAGE).status_code == 403
    assert client.post(PAGE, data=GOOD).status_code == 403


def test_nobody_sees_it_signed_out(pages):
    assert TestClient(pages.app, follow_redirects=False).get(PAGE).status_code == 303


def test_revoking_asks_first_and_ends_it(client, pages, engines):
    text = secret(make(client))
    [line] = lines(pages, engines)
    path = f"{PAGE}/{format_id('tok', line.token.id)}/revoke"
    assert client.get(path).status_code == 200
    assert opens(pages, text)
    assert client.post(path, data={}).status_code == 403
    answer = send(client, path)
    assert answer.status_code == 303
    assert "is revoked" in client.get(answer.headers["location"]).text
    assert not opens(pages, text)
    assert lines(pages, engines)[0].state is TokenState.REVOKED
    assert "<form" not in re.search(r'class="settings-body".*', client.get(path).text, re.DOTALL)[0].split("</main>")[0]


def test_a_foreign_token_is_not_there(client, pages, engines):
    looms = pages.organization("Looms")
    issued = token(pages, looms, pages.person("bob@example.com", looms))
    csrf = hidden(client.get(PAGE).text)["csrf"]
    for name in (format_id("tok", issued.token.id), "tok_zzzzzzzzzzzzz", "x"):
        assert client.get(f"{PAGE}/{name}/revoke").status_code == 404
        assert client.post(f"{PAGE}/{name}/revoke", data={"csrf": csrf}).status_code == 404
    assert opens(pages, issued.secret)


def test_an_admin_ends_the_token_of_a_colleague_who_left(client, pages, engines):
    bob = pages.person("bob@example.com", engines)
    token(pages, engines, bob)
    with writing(pages.engine) as connection:
        connection.exec_driver_sql(f'DELETE FROM membership WHERE "user" = {bob.id}')
    [line] = lines(pages, engines)
    assert line.state is TokenState.ORPHANED
    assert "Its user has left" in client.get(PAGE).text
    assert send(client, f"{PAGE}/{format_id('tok', line.token.id)}/revoke").status_code == 303


def test_a_token_is_for_the_organization_that_was_looked_at(client, pages, engines, ada):
    looms = pages.organization("Looms")
    with writing(pages.engine) as connection:
        set_membership(connection, Membership(org=looms.id, user=ada.id, role=Role.ADMIN))
    path = f"{PAGE}?org={format_id('org', looms.id)}"
    assert send(client, path, **GOOD).status_code == 200
    assert len(lines(pages, looms)) == 1
    assert lines(pages, engines) == []


def test_a_user_has_so_many_at_most(client, pages, engines, ada):
    for _ in range(TOKENS_MAX):
        token(pages, engines, ada)
    answer = make(client)
    assert answer.status_code == 409
    assert "Revoke one first" in answer.text
