"""Webhooks under Settings: a secret is shown once, private addresses are refused, a foreign webhook is not there."""

import re
from html import unescape

import pytest
from stage.pages import Site
from stage.visitor import signed_in
from starlette.testclient import TestClient

from puyun.identity.model import Membership, Role
from puyun.kit.clock import DAY, ManualClock, parse_instant
from puyun.kit.ids import format_id
from puyun.notices.kinds import Kind
from puyun.storage.engine import reading, writing
from puyun.storage.identity import set_membership
from puyun.storage.webhooks.deliveries import PAGE, Outcome, Wanted, page_of_deliveries, queue_ping, record, take_due
from puyun.storage.webhooks.webhooks import MOST, list_webhooks

NOW = parse_instant("2026-03-15T12:30:00Z")
LIST = "/portal/settings/webhooks"
URL = "https://hooks.example.com/in"


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


@pytest.fixture
def engines(pages):
    return pages.organization("Engines")


@pytest.fixture
def client(pages, engines):
    pages.person("ada@example.com", engines)
    return signed_in(pages)


def csrf(page):
    return re.search(r'name="csrf" value="(\w+)"', page)[1]


def hidden(page):
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)}


def send(client, path, page=LIST, **fields):
    return client.post(path, data=hidden(client.get(page).text) | fields)


def make(client, url=URL, kinds=("balance.low", "key.created")):
    return send(client, LIST, url=url, kind=list(kinds))


def hooks(pages, organization):
    with reading(pages.engine) as connection:
        return list_webhooks(connection, organization.id)


def deliveries(pages, organization):
    with reading(pages.engine) as connection:
        return page_of_deliveries(connection, organization.id, Wanted())[0]


def secret(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return unescape(re.search(r'id="secret"[^>]*>([^<]*)<', answer.text)[1])


@pytest.fixture
def place(client, pages, engines):
    make(client)
    return f"{LIST}/{format_id('wh', hooks(pages, engines)[0].id)}"


def test_a_secret_is_shown_once(client, pages, engines):
    assert "No webhook yet." in client.get(LIST).text
    shown = secret(make(client))
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", shown)
    [hook] = hooks(pages, engines)
    assert (hook.url, hook.kinds, hook.created_by) == (URL, (Kind.BALANCE_LOW, Kind.KEY_CREATED), "ada@example.com")
    for path in (LIST, f"{LIST}/{format_id('wh', hook.id)}"):
        page = client.get(path).text
        assert URL in page
        assert shown not in page
        assert "whsec_" not in page


def test_a_form_that_is_sent_again_makes_no_second_one(client, pages, engines):
    fields = hidden(client.get(LIST).text) | {"kind": ["key.created"]}
    assert client.post(LIST, data=fields | {"url": "nothing"}).status_code == 422
    secret(client.post(LIST, data=fields | {"url": URL}))
    again = client.post(LIST, data=fields | {"url": URL})
    assert (again.status_code, again.headers["location"]) == (303, f"{LIST}?said=repeated")
    assert "was sent before" in client.get(f"{LIST}?said=repeated").text
    assert len(hooks(pages, engines)) == 1
    assert client.post(LIST, data=fields | {"url": URL, "once": ""}).status_code == 400


@pytest.mark.parametrize(
    ("url", "kinds", "words"),
    [
        ("http://hooks.example.com/", ["key.created"], "begins with https://"),
        ("https://127.0.0.1/", ["key.created"], "not public"),
        ("https://[::1]/", ["key.created"], "not public"),
        ("https://localhost/", ["key.created"], "not public"),
        ("", ["key.created"], "begins with https://"),
        (URL, [], "at least one kind"),
    ],
)
def test_what_makes_no_webhook_loses_nothing(client, pages, engines, url, kinds, words):
    answer = make(client, url, kinds)
    assert (answer.status_code, words in answer.text) == (422, True)
    assert f'value="{url}"' in answer.text
    assert answer.text.count(" checked") == len(kinds)
    assert hooks(pages, engines) == []


def test_an_address_is_text_and_nothing_else(client, place):
    send(client, place, place, url='https://hooks.example.com/"><b>', kind=["key.created"])
    assert '"><b>' not in client.get(LIST).text + client.get(place).text


def test_a_form_without_its_token_does_nothing(client, pages, engines):
    assert client.post(LIST, data={"url": URL, "kind": "key.created"}).status_code == 403
    assert hooks(pages, engines) == []


def test_a_kind_that_is_none_is_no_form_of_ours(client):
    assert make(client, kinds=["nothing"]).status_code == 400


def test_there_is_a_bound(client):
    for _ in range(MOST):
        secret(make(client))
    assert "Delete one first" in client.get(LIST).text
    answer = send(client, LIST, f"{LIST}/wh_1", url=URL, kind=["key.created"], once="late")
    assert (answer.status_code, "Delete one first" in answer.text) == (409, True)


def test_it_is_changed_paused_and_resumed(client, pages, engines, place):
    assert (
        send(client, place, place, url=URL + "/2", kind=["key.revoked"]).headers["location"] == f"{place}?said=changed"
    )
    [hook] = hooks(pages, engines)
    assert (hook.url, hook.kinds) == (URL + "/2", (Kind.KEY_REVOKED,))
    refused = send(client, place, place, url="https://10.0.0.1/", kind=["key.revoked"])
    assert (refused.status_code, hooks(pages, engines)) == (422, [hook])
    send(client, f"{place}/pause", place)
    assert hooks(pages, engines)[0].status == "paused"
    assert "is paused" in client.get(f"{place}?said=paused").text
    send(client, f"{place}/resume", place)
    assert hooks(pages, engines)[0].status == "active"


def test_rotating_shows_another_secret_and_says_how_long_the_first_one_signs(client, pages, engines, place):
    answer = send(client, f"{place}/rotate", place)
    assert secret(answer).startswith("whsec_")
    assert "Mar 16, 2026" in answer.text
    assert hooks(pages, engines)[0].overlap_until == NOW + DAY


def test_deleting_asks_first(client, pages, engines, place):
    page = client.get(f"{place}/delete").text
    assert "cannot be undone" in page
    answer = client.post(f"{place}/delete", data={"csrf": csrf(page)})
    assert answer.headers["location"] == f"{LIST}?said=deleted"
    assert hooks(pages, engines) == []
    assert client.get(place).status_code == 404


def test_the_log_shows_what_became_of_a_test_and_sends_it_again(client, pages, engines, place):
    send(client, f"{place}/test", place)
    hostile = '<script>alert("x")</script>'
    with writing(pages.engine) as connection:
        [taken] = take_due(connection, pages.vault, NOW, most=9, per_org=9, busy={})
        record(connection, taken, Outcome(took_ms=84, code=500, answer=hostile), dice=0, now=NOW)
    page = client.get(place).text
    assert "<b>500</b>" in page
    assert hostile not in page
    assert "84 ms" in page
    assert "test.ping&#34;" in page
    assert "again 2026-03-15 12:30:05" in page
    assert "No delivery fits." in client.get(f"{place}?status=delivered").text
    assert taken.message in client.get(f"{place}?status=waiting&before=nonsense").text
    answer = send(client, f"{place}/deliveries/{taken.message}/replay", place)
    assert answer.headers["location"] == f"{place}?said=replayed"
    [row] = deliveries(pages, engines)
    assert (row.tries, row.next_at, row.status) == (0, NOW, "waiting")


def test_the_log_comes_in_pages(client, pages, engines, place):
    [hook] = hooks(pages, engines)
    with writing(pages.engine) as connection:
        for _ in range(PAGE + 2):
            queue_ping(connection, hook, NOW)
            connection.exec_driver_sql("UPDATE delivery SET next_at = NULL, status = 'delivered'")
    first = client.get(f"{place}?status=delivered").text
    older = unescape(re.search(r'rel="next" href="([^"]+)"', first)[1])
    second = client.get(older).text
    rows = [re.findall(r'data-delivery="(\w+)"', page) for page in (first, second)]
    assert [len(each) for each in rows] == [PAGE, 2]
    assert len(set(rows[0] + rows[1])) == PAGE + 2
    assert 'rel="next"' not in second


def test_too_many_tests_are_said_on_the_page(client, place):
    for _ in range(3):
        assert send(client, f"{place}/test", place).status_code == 303
    answer = send(client, f"{place}/test", place)
    assert (answer.status_code, "have not been taken yet" in answer.text) == (429, True)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER, Role.BILLING])
def test_who_may_not_manage_keys_sees_no_webhooks(pages, engines, client, place, role):
    pages.person("ben@example.com", engines, role=role)
    ben = signed_in(pages, "ben@example.com")
    token = csrf(ben.get("/portal/settings/notifications").text)
    assert "/settings/webhooks" not in ben.get("/portal/settings").text
    for path in (LIST, place, f"{place}/delete"):
        assert ben.get(path).status_code == 403
    for act in ("", "/pause", "/resume", "/test", "/rotate", "/delete", "/deliveries/msg_1/replay"):
        assert ben.post(place + act, data={"csrf": token, "url": URL, "kind": "key.created"}).status_code == 403
    assert hooks(pages, engines)[0].status == "active"


def test_what_belongs_to_another_organization_is_not_there(pages, engines, client, place):
    send(client, f"{place}/test", place)
    [row] = deliveries(pages, engines)
    others = pages.organization("Others")
    pages.person("eve@example.com", others)
    eve = signed_in(pages, "eve@example.com")
    make(eve)
    [own] = hooks(pages, others)
    replays = f"/deliveries/{format_id('msg', row.id)}/replay"
    foreign = [place, *(place + act for act in ("/pause", "/test", "/rotate", "/delete", replays))]
    for path in [*foreign, f"{LIST}/{format_id('wh', own.id)}{replays}", f"{LIST}/wh_zzzzzzzzzzzzz", f"{LIST}/nothing"]:
        assert send(eve, path, url=URL, kind=["key.created"]).status_code == 404, path
    assert eve.get(place).status_code == 404
    assert [hook.url for hook in hooks(pages, engines)] == [URL]
    assert deliveries(pages, engines) == [row]


def test_links_stay_in_the_organization_that_is_looked_at(pages, engines, client):
    ada = pages.organization("Zebras")
    with writing(pages.engine) as connection:
        user = connection.exec_driver_sql("SELECT id FROM \"user\" WHERE email = 'ada@example.com'").scalar_one()
        set_membership(connection, Membership(org=ada.id, user=user, role=Role.OWNER))
    org = f"?org={format_id('org', ada.id)}"
    secret(send(client, LIST + org, LIST + org, url=URL, kind=["key.created"]))
    [hook] = hooks(pages, ada)
    place = f"{LIST}/{format_id('wh', hook.id)}"
    assert place + org in client.get(LIST + org).text
    assert f"{place}/pause{org}" in client.get(place + org).text
    assert hooks(pages, engines) == []


def test_a_stranger_is_sent_to_sign_in(pages, place):
    answer = TestClient(pages.app, follow_redirects=False).get(place)
    assert answer.status_code == 303
