"""Webhooks by the API: a secret once, a foreign one is not there, roles and scopes, and nothing twice."""

import pytest
from stage.control import token
from starlette.testclient import TestClient

from puyun.identity.model import Role
from puyun.identity.tokens import Scope
from puyun.kit.ids import format_id
from puyun.storage.engine import writing
from puyun.storage.notify.events import PAGE
from puyun.storage.webhooks.deliveries import queue_ping
from puyun.storage.webhooks.webhooks import MOST, find_webhook

URL = "https://hooks.example.com/in"
BODY = {"url": URL, "kinds": ["balance.low"]}


@pytest.fixture
def names():
    return iter(f"write-{number}" for number in range(10_000))


@pytest.fixture
def write(client, names):
    def send(method, path, body=None, **headers):
        return client.request(method, path, json=body, headers={"idempotency-key": next(names)} | headers)

    return send


def code(answer):
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"]


@pytest.fixture
def made(write):
    answer = write("POST", "/webhooks", BODY)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_webhook_is_made_shown_changed_and_deleted(write, client, made):
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    place = f"/webhooks/{made['id']}"
    assert client.get("/webhooks").json()["data"] == [made] == [client.get(place).json()]
    assert secret not in client.get("/webhooks").text + client.get(place).text
    changed = write("PATCH", place, {"url": URL + "/2", "paused": True}).json()
    assert changed == made | {"url": URL + "/2", "status": "paused"}
    assert write("PATCH", place, {"paused": False, "kinds": ["key.created"]}).json()["status"] == "active"
    rotated = write("POST", f"{place}/rotate").json()
    assert rotated["secret"] != secret
    assert rotated["overlap_until"]
    assert write("DELETE", place).json() == {"id": made["id"], "deleted": True}
    assert code(client.get(place))[:2] == (404, "webhook_not_found")
    assert client.get("/webhooks").json()["data"] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (422, "invalid_request", "url")),
        ({"url": URL, "kinds": ["nothing"]}, (422, "invalid_request", "kinds.0")),
        ({"url": "http://hooks.example.com"}, (400, "invalid_url", "url")),
        ({"url": "https://127.0.0.1/x"}, (400, "url_not_public", "url")),
        ({"url": "https://[::ffff:10.0.0.1]/x"}, (400, "url_not_public", "url")),
        ({"url": "https://localhost/x"}, (400, "url_not_public", "url")),
        ({"url": URL, "colour": "red"}, (422, "invalid_request", "colour")),
    ],
)
def test_what_makes_no_webhook(write, client, body, expected):
    assert code(write("POST", "/webhooks", body)) == expected
    assert client.get("/webhooks").json()["data"] == []


def test_a_private_address_is_no_change_either(write, made):
    assert code(write("PATCH", f"/webhooks/{made['id']}", {"url": "https://10.0.0.1/"}))[1] == "url_not_public"


def test_the_same_write_makes_one_and_gets_the_same_secret(client):
    headers = {"idempotency-key": "one"}
    first, second = (client.post("/webhooks", json=BODY, headers=headers).json() for _ in range(2))
    assert first == second
    assert len(client.get("/webhooks").json()["data"]) == 1


def test_there_is_a_bound(write):
    for _ in range(MOST):
        assert write("POST", "/webhooks", BODY).status_code == 201
    assert code(write("POST", "/webhooks", BODY))[:2] == (409, "too_many_webhooks")


def test_a_test_is_sent_and_can_be_sent_again(write, client, made):
    sent = write("POST", f"/webhooks/{made['id']}/test").json()
    assert (sent["type"], sent["event"], sent["status"], sent["tries"]) == ("test.ping", None, "waiting", 0)
    assert client.get(f"/deliveries/{sent['id']}").json() == sent
    assert client.get("/deliveries", params={"webhook": made["id"], "status": "waiting"}).json()["data"] == [sent]
    assert client.get("/deliveries", params={"status": "failed"}).json()["data"] == []
    assert write("POST", f"/deliveries/{sent['id']}/replay").json()["id"] == sent["id"]


@pytest.mark.parametrize("cursor", ["x", "msg_", "evt_1", "msg_zzzzzzzzzzzzz"])
def test_a_cursor_that_no_page_gave(client, cursor):
    assert code(client.get("/deliveries", params={"cursor": cursor}))[1] == "invalid_cursor"


def test_what_belongs_to_another_organization_is_not_there(app, pages, made, write, names):
    sent = write("POST", f"/webhooks/{made['id']}/test").json()
    other = pages.organization("Others")
    strange = token(pages, other, pages.person("eve@example.com", other))
    client = TestClient(app, base_url="http://testserver/api/v1", headers={"authorization": f"Bearer {strange.secret}"})
    for method, path in (
        ("GET", f"/webhooks/{made['id']}"),
        ("PATCH", f"/webhooks/{made['id']}"),
        ("DELETE", f"/webhooks/{made['id']}"),
        ("POST", f"/webhooks/{made['id']}/rotate"),
        ("POST", f"/webhooks/{made['id']}/test"),
        ("GET", f"/deliveries/{sent['id']}"),
        ("POST", f"/deliveries/{sent['id']}/replay"),
        ("GET", f"/deliveries?webhook={made['id']}"),
    ):
        body = {"paused": True} if method == "PATCH" else None
        answer = client.request(method, path, json=body, headers={"idempotency-key": next(names)})
        assert answer.status_code == 404, (method, path, answer.text)
    assert client.get("/deliveries").json()["data"] == client.get("/webhooks").json()["data"] == []


@pytest.mark.parametrize(
    ("role", "scopes", "expected"),
    [
        (Role.OWNER, (Scope.WEBHOOKS_READ,), (200, 403, 403)),
        (Role.OWNER, (Scope.EVENTS_READ,), (403, 403, 200)),
        (Role.VIEWER, (Scope.EVENTS_READ,), (403, 403, 200)),
    ],
)
def test_what_a_token_opens(app, pages, engines, names, role, scopes, expected):
    issued = token(pages, engines, pages.person("ben@example.com", engines, role=role), *scopes)
    client = TestClient(app, base_url="http://testserver/api/v1", headers={"authorization": f"Bearer {issued.secret}"})
    write = client.post("/webhooks", json=BODY, headers={"idempotency-key": next(names)})
    assert (client.get("/webhooks").status_code, write.status_code, client.get("/events").status_code) == expected


def test_events_are_listed_as_far_as_the_user_may_see_them(app, client, pages, engines):
    pages.key(engines, "ci")
    [event] = client.get("/events", params={"kind": "key.created"}).json()["data"]
    assert (event["type"], event["version"], event["data"]["name"]) == ("key.created", 1, "ci")
    issued = token(pages, engines, pages.person("vic@example.com", engines, role=Role.VIEWER), Scope.EVENTS_READ)
    viewer = TestClient(app, base_url="http://testserver/api/v1", headers={"authorization": f"Bearer {issued.secret}"})
    assert viewer.get("/events").json()["data"] == []
    assert code(viewer.get("/events", params={"kind": "key.created"}))[:2] == (403, "not_permitted")


def test_events_come_in_pages(client, pages, engines):
    for _ in range(PAGE + 3):
        pages.key(engines)
    first = client.get("/events").json()
    rest = client.get("/events", params={"cursor": first["next_cursor"]}).json()
    ids = [each["id"] for each in first["data"] + rest["data"]]
    assert (len(first["data"]), len(ids), len(set(ids)), rest["next_cursor"]) == (PAGE, PAGE + 3, PAGE + 3, None)


def test_too_many_tests_wait(write, pages, engines, made):
    with writing(pages.engine) as connection:
        hook = find_webhook(connection, engines.id, made["id"])
        for _ in range(3):
            queue_ping(connection, hook, pages.clock.now())
    assert format_id("wh", hook.id) == made["id"]
    assert code(write("POST", f"/webhooks/{made['id']}/test"))[:2] == (429, "too_many_waiting")
