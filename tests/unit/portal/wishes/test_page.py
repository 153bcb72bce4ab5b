"""Asking for a higher limit: who may, what comes back, who is told, and that nobody reads another organization's."""

import re
from html import unescape

import pytest
from stage.pages import CHAT, Site
from stage.visitor import signed_in

from puyun.config import Mail
from puyun.identity.model import Role
from puyun.limits.rule import Metric
from puyun.storage.engine import reading, writing
from puyun.storage.limits.rules import Change
from puyun.storage.limits.wishes import decline_wish, grant_wish, list_wishes
from puyun.storage.mail.post import newest

PAGE = "/portal/limits/requests"
EMAIL = "ada@example.com"
GOOD = {"tier": "flex", "model": CHAT.name, "metric": "rpm", "amount": "9,000", "why": "winter <b>sale</b>"}


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, mail=Mail(host="mail.example", operator="ops@example.com"))
    yield site
    site.close()


@pytest.fixture
def engines(pages):
    pages.models()
    return pages.organization("Engines")


@pytest.fixture
def client(pages, engines):
    pages.person(EMAIL, engines)
    return signed_in(pages, EMAIL)


def send(client, path=PAGE, **changes):
    token = re.search(r'name="csrf" value="(\w+)"', client.get(path).text)[1]
    return client.post(path, data=GOOD | {"csrf": token} | changes)


def asked(pages):
    with reading(pages.engine) as connection:
        return list_wishes(connection, 100, answered=True)


def letters(pages):
    with reading(pages.engine) as connection:
        return [posted.letter for posted in newest(connection, 10)]


def test_a_request_is_kept_and_shown_and_the_operator_is_told(pages, client) -> None:
    answer = send(client)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?asked=1")
    [wish] = asked(pages)
    assert (wish.organization, wish.email, wish.wanted.metric, wish.wanted.amount) == (
        "Engines",
        EMAIL,
        Metric.RPM,
        9_000,
    )
    page = client.get(answer.headers["location"]).text
    assert "Your request was sent." in page
    for path in (PAGE, "/portal/limits"):
        text = client.get(path).text
        assert 'data-state="open"' in text
        assert "not answered yet" in text
    [letter] = letters(pages)
    assert letter.recipient == "ops@example.com"
    assert letter.subject == "Engines asks for a higher limit"
    assert f"puyun limits grant {wish.id}" in letter.body
    assert "winter <b>sale</b>" in letter.body


def test_the_same_again_is_refused_and_nothing_that_was_typed_is_lost(pages, client) -> None:
    send(client)
    again = send(client, amount="12000", why="a better reason")
    assert again.status_code == 409
    assert "asked for already" in again.text
    assert 'value="12000"' in again.text
    assert "a better reason" in again.text
    assert len(asked(pages)) == 1
    assert len(letters(pages)) == 1


def test_faults_stand_at_their_fields(pages, client) -> None:
    answer = send(client, amount="lots", why="", model="gone")
    assert answer.status_code == 422
    found = re.findall(r'id="fault-(\w+)"', answer.text)
    assert found == ["model", "amount", "why"]
    assert 'value="lots"' in answer.text
    assert asked(pages) == []


def test_an_answer_stands_on_both_pages(pages, client) -> None:
    send(client)
    send(client, metric="itpm")
    rpm, itpm = [wish.id for wish in asked(pages)][::-1]
    now = pages.clock.now()
    with writing(pages.engine) as connection:
        grant_wish(connection, rpm, Change(by="bert", why="until March"), now, amount=8_000)
        decline_wish(connection, itpm, Change(by="bert", why="<i>no</i> machines"), now)
    for path in (PAGE, "/portal/limits"):
        text = client.get(path).text
        assert re.findall(r'data-state="(\w+)"', text) == ["declined", "granted"]
        assert "8,000" in text
        assert "until March" in text
        assert "&lt;i&gt;no&lt;/i&gt; machines" in text


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.VIEWER, 403), (Role.BILLING, 403), (Role.MEMBER, 303), (Role.ADMIN, 303), (Role.OWNER, 303)],
)
def test_who_makes_calls_may_ask(pages, engines, role, status) -> None:
    pages.person("bert@example.com", engines, role=role)
    client = signed_in(pages, "bert@example.com")
    page = client.get(PAGE)
    assert page.status_code == 200
    assert ("Your role sends no requests." in page.text) == (status == 403)
    assert send(client).status_code == status
    assert len(asked(pages)) == (status == 303)


def test_another_organization_sees_nothing_of_it(pages, client) -> None:
    send(client)
    pages.person("eve@example.com", pages.organization("Others"))
    eve = signed_in(pages, "eve@example.com")
    for path in (PAGE, "/portal/limits"):
        text = eve.get(path).text
        assert "data-wish" not in text
        assert EMAIL not in text
    assert eve.get(f"{PAGE}?org=org_1").status_code == 404


def test_a_form_without_its_token_is_refused(pages, client) -> None:
    assert client.post(PAGE, data=GOOD).status_code == 403
    assert asked(pages) == []


def test_who_asks_too_often_has_to_wait(pages, client) -> None:
    last = [send(client) for _ in range(32)][-1]
    assert last.status_code == 429
    assert "Too many requests at once." in last.text
    assert len(asked(pages)) == 1


def test_an_address_fills_the_form(client) -> None:
    text = unescape(client.get(f"{PAGE}?tier=enterprise&model={CHAT.name}&metric=otpm").text)
    assert 'value="enterprise" checked' in text
    assert f"<option selected>{CHAT.name}</option>" in text
    assert 'value="otpm" selected' in text


def test_without_an_operators_address_no_letter_goes_out(tmp_path, migrated) -> None:
    site = Site(tmp_path, migrated, mail=Mail(host="mail.example"))
    site.models()
    site.person(EMAIL, site.organization("Engines"))
    assert send(signed_in(site, EMAIL)).status_code == 303
    assert len(asked(site)) == 1
    assert letters(site) == []
    site.close()
