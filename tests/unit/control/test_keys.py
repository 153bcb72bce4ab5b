"""Keys by the API: what a page refuses is refused here, a foreign key is not there, nobody changes more than they may."""

import pytest
from stage.control import token

from puyun.catalog.model import Tier
from puyun.identity.keys import mint
from puyun.identity.model import KeySpec, Role
from puyun.identity.tokens import Scope
from puyun.kit.clock import DAY, HOUR, Instant, format_instant
from puyun.kit.ids import format_id
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_key, list_keys
from puyun.storage.keys.listing import PAGE
from puyun.system.entropy import key_entropy
from puyun.web.throttle import FREE_KEYS

MEMBERS_SCOPES = (Scope.KEYS_READ, Scope.KEYS_WRITE)


@pytest.fixture
def names():
    return iter(f"write-{number}" for number in range(10_000))


@pytest.fixture
def write(client, names):
    def send(path, body=None, secret=None):
        headers = {"idempotency-key": next(names)}
        if secret:
            headers["authorization"] = f"Bearer {secret}"
        return client.post(path, json=body, headers=headers)

    return send


def code(answer):
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


def key(pages, organization, **spec):
    with writing(pages.engine) as connection:
        wanted = KeySpec(**({"tier": Tier.FLEX, "name": "ci"} | spec))
        return create_key(connection, organization, wanted, mint(key_entropy()), pages.clock.now())


def stored(pages, organization):
    with reading(pages.engine) as connection:
        return list_keys(connection, organization.id)


def test_a_key_is_made_as_it_was_asked_for(write, client, pages, engines):
    pages.models()
    end = format_instant(Instant(pages.clock.now() + DAY))
    body = {"tier": "test", "name": "night", "models": ["gpt-4o"], "ips": ["203.0.113.0/24"], "budget": "5.00"}
    made = write("/keys", body | {"expires": end}).json()
    assert {name: made[name] for name in body} == body
    assert (made["expires"], made["state"], made["member"], made["spent"]) == (end, "active", None, "0.00")
    shown = client.get(f"/keys/{made['id']}").json()
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert client.get("/keys").json() == {"data": [shown], "next_cursor": None}
    [row] = stored(pages, engines)
    assert (row.models, row.ips, row.budget) == (("gpt-4o",), ("203.0.113.0/24",), 5_000_000_000)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (422, "invalid_request", "tier")),
        ({"tier": "gold"}, (422, "invalid_request", "tier")),
        ({"tier": "flex", "colour": "red"}, (422, "invalid_request", "colour")),
        ({"tier": "flex", "name": "x" * 101}, (422, "invalid_request", "name")),
        ({"tier": "flex", "name": "a\x00b"}, (400, "invalid_name", "name")),
        ({"tier": "flex", "models": ["nothing"]}, (404, "model_not_found", "models")),
        ({"tier": "flex", "models": ["m"] * 501}, (422, "invalid_request", "models")),
        ({"tier": "flex", "ips": ["here"]}, (400, "invalid_ip_range", "ips")),
        ({"tier": "flex", "ips": ["1.1.1.1"] * 51}, (422, "invalid_request", "ips")),
        ({"tier": "flex", "budget": "0"}, (400, "invalid_budget", "budget")),
        ({"tier": "flex", "budget": "1e3"}, (400, "invalid_budget", "budget")),
        ({"tier": "flex", "budget": 5.5}, (422, "invalid_request", "budget")),
        ({"tier": "flex", "expires": "soon"}, (422, "invalid_request", "expires")),
        ({"tier": "flex", "expires": "2026-03-15T12:30:00Z"}, (400, "invalid_expiry", "expires")),
        ({"tier": "flex", "expires": "0001-01-01T00:00:00+23:59"}, (422, "invalid_time", "expires")),
        ({"tier": "flex", "expires": "9999-12-31T23:59:59-23:59"}, (422, "invalid_time", "expires")),
    ],
)
def test_what_makes_no_key(write, pages, engines, body, expected):
    assert code(write("/keys", body)) == expected
    assert stored(pages, engines) == []


def test_a_tier_that_the_organization_has_not(write, pages, engines):
    with writing(pages.engine) as connection:
        connection.exec_driver_sql("UPDATE organization SET tiers = '[\"test\"]'")
    assert code(write("/keys", {"tier": "flex"})) == (403, "tier_not_allowed", "tier")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"tier":"flex","name":"\\ud800"}', b"[" * 50_000]
)
def test_what_is_no_document(client, pages, engines, body):
    headers = {"idempotency-key": "one", "content-type": "application/json"}
    answer = client.post("/keys", content=body, headers=headers)
    assert answer.status_code in {400, 422}, answer.text
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    assert stored(pages, engines) == []


def test_a_body_has_a_bound(client, pages, engines):
    body = b'{"tier":"flex","name":"' + b"x" * 200_000 + b'"}'
    headers = {"idempotency-key": "one", "content-type": "application/json"}
    assert code(client.post("/keys", content=body, headers=headers))[0] == 413
    assert stored(pages, engines) == []


def test_rotating_puts_a_new_key_in_its_place(write, client, pages, engines):
    old = key(pages, engines, expires_at=Instant(pages.clock.now() + 9 * DAY))
    made = write(f"/keys/{format_id('key', old.id)}/rotate", {"overlap": "1h"})
    assert made.status_code == 201
    first, second = stored(pages, engines)
    assert first.expires_at == pages.clock.now() + HOUR
    assert (second.name, second.expires_at) == (old.name, old.expires_at)
    assert made.json()["id"] == format_id("key", second.id)
    pages.clock.advance(HOUR)
    again = write(f"/keys/{format_id('key', old.id)}/rotate", {})
    assert code(again) == (409, "key_not_usable", None)


def test_rotating_can_end_the_end(write, pages, engines):
    old = key(pages, engines, expires_at=Instant(pages.clock.now() + DAY))
    made = write(f"/keys/{format_id('key', old.id)}/rotate", {"overlap": "now", "expires": None}).json()
    assert made["expires"] is None
    assert stored(pages, engines)[0].revoked_at == pages.clock.now()
    assert code(write(f"/keys/{made['id']}/rotate", {"overlap": "2h"}))[2] == "overlap"


def test_revoking_again_changes_nothing(write, pages, engines):
    path = f"/keys/{format_id('key', key(pages, engines).id)}/revoke"
    first = write(path).json()
    pages.clock.advance(HOUR)
    assert write(path).json() == first
    assert first["state"] == "revoked"


@pytest.mark.parametrize("act", ["", "/rotate", "/revoke"])
def test_a_foreign_key_is_not_there(client, write, pages, act):
    looms = pages.organization("Looms")
    foreign = key(pages, looms)
    for name in (format_id("key", foreign.id), "key_zzzzzzzzzzzzz", "key_", "nonsense", "key_%00"):
        path = f"/keys/{name}{act}"
        assert code(write(path, {}) if act else client.get(path))[:2] == (404, "key_not_found"), name
    assert stored(pages, looms) == [foreign]


@pytest.mark.parametrize("act", ["rotate", "revoke"])
def test_a_member_changes_only_keys_of_their_own(write, pages, engines, act):
    member = pages.person("mel@example.com", engines, role=Role.MEMBER)
    secret = token(pages, engines, member, *MEMBERS_SCOPES).secret
    shared, own = key(pages, engines), key(pages, engines, member=member.id)
    assert code(write(f"/keys/{format_id('key', shared.id)}/{act}", {}, secret)) == (403, "not_permitted", None)
    assert write(f"/keys/{format_id('key', own.id)}/{act}", {}, secret).status_code in {200, 201}


def test_a_member_makes_keys_of_their_own(write, pages, engines):
    member = pages.person("mel@example.com", engines, role=Role.MEMBER)
    made = write("/keys", {"tier": "flex"}, token(pages, engines, member, *MEMBERS_SCOPES).secret).json()
    assert made["member"] == format_id("user", member.id)
    assert stored(pages, engines)[0].member == member.id


def test_keys_come_in_pages_without_a_gap(client, pages, engines):
    made = [key(pages, engines, name=f"k{number}") for number in range(PAGE + 3)]
    first = client.get("/keys").json()
    second = client.get("/keys", params={"cursor": first["next_cursor"]}).json()
    ids = [row["id"] for row in first["data"] + second["data"]]
    assert ids == [format_id("key", each.id) for each in reversed(made)]
    assert second["next_cursor"] is None
    assert [row["name"] for row in client.get("/keys", params={"search": "k51"}).json()["data"]] == ["k51"]
    assert code(client.get("/keys", params={"cursor": "x"})) == (422, "invalid_cursor", "cursor")


def test_too_many_at_once_wait(write):
    for _ in range(FREE_KEYS):
        assert write("/keys", {"tier": "flex"}).status_code == 201
    answer = write("/keys", {"tier": "flex"})
    assert code(answer)[:2] == (429, "too_many_keys")
    assert int(answer.headers["retry-after"]) > 0
