"""Signing up, as a browser does it: who is let in, who is not, and what nobody learns by trying."""

import re
import threading

import pytest
from sqlalchemy import func, select
from stage.pages import PASSWORD, Site
from starlette.testclient import TestClient

from puyun.config import Signup
from puyun.kit.clock import DAY, MINUTE, ManualClock
from puyun.kit.money import NANO
from puyun.portal.hashing import WAITING_MAX
from puyun.portal.pages import signup as module
from puyun.storage import schema
from puyun.storage.engine import reading
from puyun.storage.identity import find_organization, find_user, list_memberships
from puyun.storage.wallets import load_wallet
from puyun.web.throttle import FREE_BY_EMAIL, FREE_SIGNUPS_BY_ADDRESS

EMAIL = "ada@example.com"
REFUSED = "This did not work with these details."


@pytest.fixture
def clock():
    return ManualClock(10**15)


@pytest.fixture
def terms():
    return Signup(open=True)


@pytest.fixture
def pages(tmp_path, migrated, clock, terms):
    site = Site(tmp_path, migrated, clock=clock, signup=terms)
    yield site
    site.close()


def token_of(page):
    return re.search(r'name="csrf" value="(\w*)"', page)[1]


def form_of(client, **changes):
    token = token_of(client.get("/signup").text)
    return {"csrf": token, "email": EMAIL, "password": PASSWORD, "organization": "Engines"} | changes


def sign_up(client, **changes):
    return client.post("/signup", data=form_of(client, **changes))


def another(pages):
    return TestClient(pages.app, follow_redirects=False)


def counts(pages):
    tables = (schema.user, schema.organization, schema.membership, schema.wallet, schema.session)
    with reading(pages.engine) as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


# --- let in ------------------------------------------------------------------------------------------------------------
def test_whoever_signs_up_owns_an_organization_and_is_signed_in(client, pages):
    answer = sign_up(client, email=" Ada@Example.COM ", organization=" Engines ")
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal/start")
    page = client.get("/portal/start").text
    assert "Engines" in page
    assert EMAIL in page
    assert counts(pages) == [1, 1, 1, 1, 1]
    with reading(pages.engine) as connection:
        [(organization, role)] = list_memberships(connection, find_user(connection, EMAIL).id)
    assert (role, organization.tiers) == ("owner", ("test", "flex"))


@pytest.mark.parametrize("terms", [Signup(open=True, credit="2.50", credit_days=1)])
def test_the_credit_is_named_before_and_there_after(client, pages):
    assert "You get $2.50 to try it out, for 1 day." in client.get("/signup").text
    sign_up(client)
    with reading(pages.engine) as connection:
        organization = find_organization(connection, "Engines")
        assert load_wallet(connection, organization.id).bonus == 5 * NANO // 2


@pytest.mark.parametrize("terms", [Signup(open=True, credit="1", credit_days=0)])
def test_credit_that_does_not_end_is_named_without_days(client):
    assert "You get $1.00 to try it out." in client.get("/signup").text


def test_whoever_signed_up_signs_in_again_with_the_same_password(client, pages):
    sign_up(client)
    later = another(pages)
    form = {"csrf": token_of(later.get("/login").text), "email": EMAIL, "password": PASSWORD}
    assert later.post("/login", data=form).headers["location"] == "/portal"
    assert later.get("/portal").headers["location"] == "/portal/start"


def test_the_pages_lead_to_it(client):
    assert 'href="/signup"' in client.get("/").text
    assert 'href="/signup"' in client.get("/login").text


def test_somebody_signed_in_needs_none(client, pages):
    form = form_of(client)
    client.post("/signup", data=form)
    assert client.get("/signup").headers["location"] == "/portal"
    again = client.post("/signup", data=form | {"email": "bob@example.com", "organization": "Looms"})
    assert (again.status_code, again.headers["location"]) == (303, "/portal/start")
    assert counts(pages)[0] == 1


# --- refused -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("terms", [Signup()])
def test_unless_an_operator_opens_it_nobody_can(client, pages):
    page = client.get("/signup")
    assert page.status_code == 403
    assert "Sign-up is closed here." in page.text
    form = {"csrf": token_of(client.get("/login").text), "email": EMAIL, "password": PASSWORD, "organization": "x"}
    assert client.post("/signup", data=form).status_code == 403
    assert counts(pages)[0] == 0
    for place in ("/", "/login"):
        assert 'href="/signup"' not in client.get(place).text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"email": ""}, "This is no e-mail address"),
        ({"email": "ada"}, "This is no e-mail address"),
        ({"email": "ada@example"}, "This is no e-mail address"),
        ({"email": "a da@example.com"}, "This is no e-mail address"),
        ({"email": "a\0da@example.com"}, "This is no e-mail address"),
        ({"email": "x" * 250 + "@example.com"}, "This is no e-mail address"),
        ({"password": ""}, "A password has 10 to 1024 characters."),
        ({"password": "x" * 9}, "A password has 10 to 1024 characters."),
        ({"password": "x" * 1025}, "A password has 10 to 1024 characters."),
        ({"organization": " "}, "A name has 1 to 100 letters"),
        ({"organization": "x" * 101}, "A name has 1 to 100 letters"),
        ({"organization": "a\x07b"}, "A name has 1 to 100 letters"),
    ],
)
def test_what_cannot_be_meant_is_said_at_its_field(client, pages, changes, says):
    answer = sign_up(client, **changes)
    assert answer.status_code == 400
    assert answer.text.count('aria-invalid="true"') == 1
    assert says in answer.text
    assert counts(pages) == [0] * 5


def test_a_refused_form_keeps_what_was_typed_but_the_password(client):
    page = sign_up(client, email="<ada>", organization="Engines & Co").text
    assert 'value="&lt;ada&gt;"' in page
    assert 'value="Engines &amp; Co"' in page
    assert PASSWORD not in page


def test_a_form_without_its_token_or_of_another_site_is_refused(client, pages):
    form = form_of(client)
    assert client.post("/signup", data=form | {"csrf": ""}).status_code == 403
    assert client.post("/signup", data=form | {"csrf": "0" * 64}).status_code == 403
    assert client.post("/signup", data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert another(pages).post("/signup", data=form).status_code == 403
    assert counts(pages)[0] == 0


# --- who is known ------------------------------------------------------------------------------------------------------
def test_nothing_tells_a_known_address_from_a_taken_name(client, pages):
    sign_up(client)
    stranger = another(pages)
    taken = sign_up(stranger, email="bob@example.com", password="another good one")
    known = sign_up(stranger, organization="Looms", password="another good one")
    assert (taken.status_code, known.status_code) == (409, 409)
    assert REFUSED in known.text

    def neutral(page):
        return re.sub(r'value="[^"]*"', "", page)

    assert neutral(known.text) == neutral(taken.text)
    assert set(known.headers) == set(taken.headers)
    assert counts(pages)[:4] == [1, 1, 1, 1]


def test_a_known_address_costs_one_hash_as_a_new_one_does(client, pages, monkeypatch):
    hashes = []
    for name in ("hash_password", "verify_password"):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, real=real, name=name: hashes.append(name) or real(*args))
    sign_up(client)
    sign_up(another(pages), password="another good one")
    assert hashes == ["hash_password", "verify_password"]


def test_a_form_sent_twice_makes_one_organization_and_leads_to_it(client, pages):
    form = form_of(client)
    answers = [client.post("/signup", data=form) for _ in range(2)]
    client.cookies.delete("puyun-session")  # as if the first answer had never come
    answers.append(client.post("/signup", data=form))
    assert [answer.headers["location"] for answer in answers] == ["/portal/start"] * 3
    assert counts(pages)[:4] == [1, 1, 1, 1]


def test_two_posts_at_once_make_one_organization(client, pages):
    form, cookies, gate, ended = form_of(client), dict(client.cookies), threading.Barrier(2), []

    def post():
        browser = another(pages)
        browser.cookies.update(cookies)
        gate.wait(20)
        ended.append(browser.post("/signup", data=form).headers["location"])

    threads = [threading.Thread(target=post) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert ended == ["/portal/start"] * 2
    assert counts(pages)[:4] == [1, 1, 1, 1]


# --- slowed down -------------------------------------------------------------------------------------------------------
def test_sign_ups_from_one_address_are_slowed_down(pages, clock):
    def one(number):
        return sign_up(another(pages), email=f"p{number}@example.com", organization=f"org {number}")

    for number in range(FREE_SIGNUPS_BY_ADDRESS):
        assert one(number).status_code == 303
    answer = one(9)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 5
    assert "Too many tries." in answer.text
    assert counts(pages)[0] == FREE_SIGNUPS_BY_ADDRESS
    clock.advance(MINUTE)
    assert one(9).status_code == 303


def test_guessing_a_password_here_counts_as_it_does_at_the_sign_in(client, pages, monkeypatch):
    sign_up(client)
    monkeypatch.setattr("puyun.web.throttle.FREE_SIGNUPS_BY_ADDRESS", 100)
    stranger = another(pages)
    for _ in range(FREE_BY_EMAIL):
        assert sign_up(stranger, password="a wrong guess").status_code == 409
    assert sign_up(stranger).status_code == 429  # even the right one
    form = {"csrf": token_of(stranger.get("/login").text), "email": EMAIL, "password": PASSWORD}
    assert stranger.post("/login", data=form).status_code == 429


@pytest.mark.parametrize("terms", [Signup(open=True, per_day=1)])
def test_so_many_in_all_a_day(client, pages, clock):
    sign_up(client)
    answer = sign_up(another(pages), email="bob@example.com", organization="Looms")
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "3600"
    assert "No more organizations can sign up today." in answer.text
    assert counts(pages)[0] == 1
    clock.advance(DAY + 1)
    assert sign_up(another(pages), email="bob@example.com", organization="Looms").status_code == 303


def test_more_than_can_wait_for_a_hash_are_asked_to_come_back(client, pages, monkeypatch):
    monkeypatch.setattr("puyun.portal.hashing.WAITING_MAX", 0)
    assert WAITING_MAX > 0
    answer = sign_up(client)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert counts(pages)[0] == 0
