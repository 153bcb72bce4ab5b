"""Signing in and out, as a browser does it."""

import re

import pytest
from stage.pages import PASSWORD, Site
from starlette.testclient import TestClient

from puyun.kit.clock import HOUR, MINUTE, ManualClock
from puyun.web.throttle import FREE_BY_ADDRESS, FREE_BY_EMAIL

EMAIL = "ada@example.com"


@pytest.fixture
def clock():
    return ManualClock(10**15)


@pytest.fixture
def pages(tmp_path, migrated, clock):
    site = Site(tmp_path, migrated, clock=clock)
    site.person(EMAIL, site.organization("Engines"))
    yield site
    site.close()


def token_of(page):
    return re.search(r'name="csrf" value="(\w*)"', page)[1]


def sign_in(client, email=EMAIL, password=PASSWORD, **changes):
    form = {"csrf": token_of(client.get("/login").text), "email": email, "password": password, "next": "/portal/usage"}
    return client.post("/login", data=form | changes)


def cookie(answer):
    return next(line for line in answer.headers.get_list("set-cookie") if "session=" in line)


def test_the_right_password_opens_the_portal(client):
    answer = sign_in(client, email=" Ada@Example.COM ")
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal/usage")
    page = client.get("/portal/usage")
    assert page.status_code == 200
    assert "Engines" in page.text
    assert EMAIL in page.text


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(client):
    line = cookie(sign_in(client)).lower()
    assert "httponly" in line
    assert "samesite=lax" in line
    assert len(re.search(r"session=([^;]+)", line)[1]) >= 43  # 256 bits


def test_over_tls_the_cookie_is_bound_to_the_host(pages):
    client = TestClient(pages.app, base_url="https://shop.example", follow_redirects=False)
    line = cookie(sign_in(client))
    assert line.startswith("__Host-session=")
    assert "Secure" in line
    assert "Path=/" in line


@pytest.mark.parametrize(
    ("email", "password"), [(EMAIL, "wrong"), ("nobody@example.com", PASSWORD), ("", ""), (EMAIL, "x" * 9000)]
)
def test_a_wrong_pair_is_refused_without_saying_which_half(client, email, password):
    answer = sign_in(client, email=email, password=password)
    assert answer.status_code == 401
    assert "The e-mail address or the password is wrong." in answer.text
    assert "session=" not in str(answer.headers.get("set-cookie"))
    assert client.get("/portal/usage").status_code == 303


def test_a_planted_session_is_never_taken_over(client, pages):
    planted = "planted-by-somebody"
    client.cookies.set("puyun-session", planted)
    opened = cookie(sign_in(client))
    assert planted not in opened
    with pages.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM session").scalar() == 1


def test_signing_in_again_from_the_same_browser_leaves_one_session(client, pages):
    sign_in(client)
    form = {"csrf": "", "email": EMAIL, "password": PASSWORD}
    assert client.get("/login").headers["location"] == "/portal"  # already in
    assert client.post("/login", data=form).status_code == 403
    with pages.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM session").scalar() == 1


def test_signing_out_ends_the_session_everywhere(client):
    sign_in(client)
    secret = client.cookies["puyun-session"]
    answer = client.post("/logout", data={"csrf": token_of(client.get("/portal/usage").text)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert client.get("/portal/usage").status_code == 303
    client.cookies.set("puyun-session", secret)
    assert client.get("/portal/usage").status_code == 303


def test_signing_out_takes_the_page_s_own_form(client):
    sign_in(client)
    assert client.post("/logout", data={}).status_code == 403
    assert client.get("/portal/usage").status_code == 200


def test_a_form_of_another_site_does_not_sign_in(client):
    token = token_of(client.get("/login").text)
    form = {"csrf": token, "email": EMAIL, "password": PASSWORD}
    assert client.post("/login", data=form, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client.post("/login", data=form | {"csrf": "0" * 64}).status_code == 403


def test_a_session_expires(client, clock):
    sign_in(client)
    clock.advance(8 * 24 * HOUR)
    assert client.get("/portal/usage").headers["location"].startswith("/login")


def test_a_used_session_lives_on(client, clock):
    sign_in(client)
    for _ in range(3):
        clock.advance(5 * 24 * HOUR)
        assert client.get("/portal/usage").status_code == 200


def test_guessing_is_slowed_down_by_e_mail_and_says_until_when(client, clock):
    for _ in range(FREE_BY_EMAIL):
        assert sign_in(client, password="wrong").status_code == 401
    answer = sign_in(client)  # even the right one
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 5
    assert "Too many failed sign-ins." in answer.text
    clock.advance(MINUTE)
    assert sign_in(client).status_code == 303


def test_guessing_is_slowed_down_by_address(client, pages, clock):
    sign_in(client, email="guess@example.com")
    with pages.engine.connect() as connection:
        counted = "UPDATE signin_failure SET failures = ? WHERE subject LIKE 'address %' RETURNING subject"
        assert connection.exec_driver_sql(counted, (FREE_BY_ADDRESS - 1,)).all() == [("address unknown",)]
    assert sign_in(client, email="another@example.com").status_code == 401
    assert sign_in(client).status_code == 429
    clock.advance(2 * HOUR)
    assert sign_in(client).status_code == 303


def test_a_success_clears_the_failures_of_the_e_mail(client):
    for _ in range(2):
        for _ in range(FREE_BY_EMAIL - 1):
            sign_in(client, password="wrong")
        assert sign_in(client).status_code == 303
        client.cookies.delete("puyun-session")


@pytest.mark.parametrize("back", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_a_sign_in_does_not_lead_to_another_site(client, back):
    assert sign_in(client, next=back).headers["location"] == "/portal"
