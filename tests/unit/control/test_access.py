"""Whom a token speaks for: what was taken from its user, or from itself, is gone with the next call."""

import pytest
from sqlalchemy import delete
from stage.control import token
from starlette.testclient import TestClient

from puyun.identity.model import Membership, Role
from puyun.identity.tokens import NEEDED, PREFIX, Scope
from puyun.kit.clock import DAY, MINUTE
from puyun.storage import schema
from puyun.storage.control.tokens import find_token, revoke_token
from puyun.storage.engine import reading, writing
from puyun.storage.identity import set_membership

OPENS = {
    Scope.KEYS_READ: "/keys",
    Scope.USAGE_READ: "/usage",
    Scope.BILLING_READ: "/balance",
    Scope.LIMITS_READ: "/limits",
}


def code(answer):
    return answer.status_code, answer.json()["error"]["code"]


def ask(app, secret, path="/token"):
    client = TestClient(app, raise_server_exceptions=False)
    return client.get(f"/api/v1{path}", headers={"authorization": f"Bearer {secret}".encode("latin-1")})


@pytest.mark.parametrize("secret", ["", "x", PREFIX, PREFIX + "0" * 64, PREFIX + "g" * 64, "sk-puyun-abc", "\xff"])
def test_what_is_no_token_opens_nothing(app, ada, secret):
    assert code(ask(app, secret)) == (401, "invalid_token")


def test_without_a_header_it_says_what_to_send(app):
    answer = TestClient(app).get("/api/v1/keys")
    assert code(answer) == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


def test_a_token_says_what_it_is(app, engines, issued):
    told = ask(app, issued.secret).json()
    assert told["user"] == "ada@example.com"
    assert told["role"] == "owner"
    assert told["scopes"] == list(Scope)
    [organization] = ask(app, issued.secret, "/organizations").json()["data"]
    assert organization["id"] == told["organization"]
    assert organization["name"] == "Engines"


def test_a_revoked_one_opens_nothing(app, pages, engines, issued):
    with writing(pages.engine) as connection:
        revoke_token(connection, engines.id, issued.token.id, pages.clock.now())
    assert code(ask(app, issued.secret)) == (401, "invalid_token")


def test_an_expired_one_opens_nothing(app, pages, issued):
    pages.clock.advance(30 * DAY - 1)
    assert ask(app, issued.secret).status_code == 200
    pages.clock.advance(1)
    assert code(ask(app, issued.secret)) == (401, "invalid_token")


def test_with_its_user_it_leaves_the_organization(app, pages, engines, ada, issued):
    elsewhere = pages.organization("Looms")
    with writing(pages.engine) as connection:
        set_membership(connection, Membership(org=elsewhere.id, user=ada.id, role=Role.OWNER))
        gone = schema.membership.c.org == engines.id
        connection.execute(delete(schema.membership).where(gone))
    assert code(ask(app, issued.secret)) == (401, "invalid_token")


@pytest.mark.parametrize("scope", OPENS)
def test_a_scope_opens_what_it_is_for_and_nothing_else(app, pages, engines, ada, scope):
    secret = token(pages, engines, ada, scope).secret
    for other, path in OPENS.items():
        answer = ask(app, secret, path)
        assert answer.status_code == (200 if other is scope else 403), (path, answer.text)
        if other is not scope:
            assert code(answer) == (403, "scope_missing")


@pytest.mark.parametrize("scope", OPENS)
@pytest.mark.parametrize("role", Role)
def test_it_can_never_do_more_than_its_user_may_now(app, pages, engines, ada, issued, scope, role):
    with writing(pages.engine) as connection:
        set_membership(connection, Membership(org=engines.id, user=ada.id, role=role))
    answer = ask(app, issued.secret, OPENS[scope])
    if scope is Scope.BILLING_READ and role in {Role.VIEWER, Role.MEMBER}:
        assert code(answer) == (403, "not_permitted")
    else:
        assert answer.status_code == 200


def test_every_scope_has_a_permission():
    assert set(NEEDED) == set(Scope)


def test_the_last_use_is_kept_to_some_minutes(app, pages, engines, issued):
    def used():
        with reading(pages.engine) as connection:
            return find_token(connection, engines.id, issued.token.id).used_at

    first = pages.clock.now()
    assert used() is None
    ask(app, issued.secret)
    assert used() == first
    pages.clock.advance(MINUTE)
    ask(app, issued.secret)
    assert used() == first
    pages.clock.advance(5 * MINUTE)
    ask(app, issued.secret)
    assert used() == first + 6 * MINUTE


def test_the_secret_is_kept_nowhere_and_shown_by_nothing(pages, issued):
    assert issued.secret not in repr(issued)
    with reading(pages.engine) as connection:
        kept = "\n".join(connection.connection.driver_connection.iterdump())
    assert issued.secret not in kept
    assert issued.secret[len(PREFIX) + 4 :] not in kept
