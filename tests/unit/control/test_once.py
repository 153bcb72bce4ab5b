"""A write that is sent again: the same answer, nothing done twice, whoever else is at it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import delete, select
from stage.control import token
from starlette.testclient import TestClient

from puyun.identity.keys import well_formed
from puyun.identity.model import Role
from puyun.identity.tokens import Scope
from puyun.kit.clock import DAY
from puyun.storage import schema
from puyun.storage.control.tables import idempotency
from puyun.storage.engine import reading, writing
from puyun.storage.identity import list_keys

BODY = {"tier": "flex", "name": "ci", "budget": "5.00"}


def create(client, name="one", body=BODY, **headers):
    return client.post("/keys", json=body, headers={"idempotency-key": name, **headers})


def keys(pages, organization):
    with reading(pages.engine) as connection:
        return list_keys(connection, organization.id)


def test_sent_again_it_gets_the_same_answer(client, pages, engines):
    first = create(client)
    assert first.status_code == 201, first.text
    assert well_formed(first.json()["secret"])
    again = create(client)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len(keys(pages, engines)) == 1
    assert create(client, "two").json()["secret"] != first.json()["secret"]
    assert len(keys(pages, engines)) == 2


def test_the_secret_of_a_kept_answer_cannot_be_read_in_the_database(client, pages, engines):
    secret = create(client).json()["secret"]
    with reading(pages.engine) as connection:
        [row] = connection.execute(select(idempotency)).all()
        assert secret[9:].encode() not in row.sealed
        dump = "\n".join(connection.connection.driver_connection.iterdump())
    assert secret not in dump
    assert secret.encode().hex() not in dump.lower()


@pytest.mark.parametrize("body", [{"tier": "flex", "name": "ci", "budget": "5.01"}, {"tier": "test"}])
def test_with_another_body_it_is_refused(client, pages, engines, body):
    create(client)
    answer = create(client, body=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "idempotency_key_reused")
    assert len(keys(pages, engines)) == 1


def test_for_another_key_it_is_refused(client, pages, engines):
    made = [create(client, name).json()["id"] for name in ("one", "two")]
    first = client.post(f"/keys/{made[0]}/revoke", headers={"idempotency-key": "three"})
    assert first.json()["state"] == "revoked"
    answer = client.post(f"/keys/{made[1]}/revoke", headers={"idempotency-key": "three"})
    assert answer.status_code == 422
    assert [key.revoked_at is None for key in keys(pages, engines)] == [False, True]


@pytest.mark.parametrize("name", [None, "", " ", "a b", "é".encode(), "x" * 201])
def test_a_write_without_a_good_name_is_not_done(client, pages, engines, name):
    headers = {} if name is None else {"idempotency-key": name}
    answer = client.post("/keys", json=BODY, headers=headers)
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "Idempotency-Key")
    assert keys(pages, engines) == []


def test_a_day_later_the_name_is_free(client, pages, engines):
    first = create(client).json()
    pages.clock.advance(DAY - 1)
    assert create(client).json() == first
    pages.clock.advance(1)
    assert create(client).json()["id"] != first["id"]
    with reading(pages.engine) as connection:
        assert len(connection.execute(select(idempotency)).all()) == 1


def test_a_refusal_is_not_kept(client, pages, engines):
    bad = create(client, body={"tier": "flex", "models": ["nothing"]})
    assert (bad.status_code, bad.json()["error"]["code"]) == (404, "model_not_found")
    assert create(client).status_code == 201
    assert len(keys(pages, engines)) == 1


def test_of_many_at_once_one_acts_and_all_get_its_answer(client, app, pages, engines, issued):
    together = Barrier(8)

    def send(_number):
        own = TestClient(app, base_url="http://testserver/api/v1", raise_server_exceptions=False)
        own.headers["authorization"] = f"Bearer {issued.secret}"
        together.wait()
        return create(own)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert len(keys(pages, engines)) == 1


def test_another_token_gets_nothing_of_it(client, pages, engines, ada):
    first = create(client).json()
    other = token(pages, engines, ada)
    mine = create(client, authorization=f"Bearer {other.secret}")
    assert mine.status_code == 201
    assert mine.json()["id"] != first["id"]


def test_who_has_left_does_not_get_it_again(client, pages, engines):
    create(client)
    with writing(pages.engine) as connection:
        connection.execute(delete(schema.membership).where(schema.membership.c.org == engines.id))
    answer = create(client)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_token")


def test_whoever_may_not_write_leaves_no_trace(client, pages, engines):
    viewer = pages.person("vic@example.com", engines, role=Role.MEMBER)
    reader = token(pages, engines, viewer, Scope.KEYS_WRITE)
    with writing(pages.engine) as connection:
        table = schema.membership
        connection.execute(table.update().where(table.c.user == viewer.id).values(role=Role.VIEWER))
    answer = create(client, authorization=f"Bearer {reader.secret}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_permitted")
    with reading(pages.engine) as connection:
        assert connection.execute(select(idempotency)).all() == []
