"""What every answer carries, whatever becomes of the request: errors, headers, languages, preferences."""

import re

import pytest
from sqlalchemy.exc import OperationalError
from starlette.routing import Route
from starlette.testclient import TestClient

from puyun.config import Brand
from puyun.kit.errors import PuyunError
from puyun.web.app import create_app
from puyun.web.security import HEADERS
from puyun.web.session import SignInNeededError
from puyun.web.site import Site


def client_of(pages, *routes):
    site = Site(pages.engine, pages.clock, Brand(name="Acme <AI>"), ("puyun.portal",))
    return TestClient(create_app(site, routes), raise_server_exceptions=False, follow_redirects=False)


def broken(_request):
    raise RuntimeError("a secret of ours")


def refused(_request):
    raise PuyunError("too_bad", 409, "Do <b>this</b> instead.", headers={"retry-after": "7"})


def away(_request):
    raise OperationalError("SELECT secret", {}, Exception("a secret of ours"))


def private(_request):
    raise SignInNeededError


@pytest.fixture
def client(pages):
    return client_of(
        pages,
        Route("/broken", broken),
        Route("/refused", refused),
        Route("/private", private),
        Route("/away", away),
        Route("/api/broken", broken),
        Route("/api/refused", refused),
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nothing", 404), ("/broken", 500), ("/refused", 409), ("/api/nothing", 404), ("/api/broken", 500)],
)
def test_every_answer_is_guarded_and_has_an_id(client, path, status):
    answer = client.get(path)
    assert answer.status_code == status
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    request_id = answer.headers["x-request-id"]
    assert re.fullmatch("req_[0-9a-f]{24}", request_id)
    assert request_id in answer.text


def test_no_inline_script_or_style_is_allowed_nor_used(client):
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    page = client.get("/nothing").text
    assert not re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page)


def test_a_fault_of_ours_tells_nothing(client):
    assert "secret of ours" not in client.get("/broken").text


def test_a_refusal_says_what_to_do_and_keeps_its_headers(client):
    answer = client.get("/refused")
    assert "Do &lt;b&gt;this&lt;/b&gt; instead." in answer.text
    assert answer.headers["retry-after"] == "7"


def test_programs_get_errors_as_json(client):
    error = client.get("/api/refused").json()["error"]
    assert (error["code"], error["message"]) == ("too_bad", "Do <b>this</b> instead.")


def test_who_is_not_signed_in_is_led_to_the_sign_in_page_and_back(client):
    answer = client.get("/private?by=key&x=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fprivate%3Fby%3Dkey%26x%3D1"


def test_the_brand_is_escaped(client):
    assert "Acme &lt;AI&gt;" in client.get("/nothing").text
    assert "Acme <AI>" not in client.get("/nothing").text


def test_a_page_names_its_language_and_what_it_depends_on(client):
    answer = client.get("/nothing", headers={"accept-language": "zh-CN"})
    assert '<html lang="zh-Hans"' in answer.text
    assert answer.headers["content-language"] == "zh-Hans"
    assert {"accept-language", "cookie"} <= set(answer.headers["vary"].split(", "))
    assert "private" in answer.headers["cache-control"]


def test_a_preference_is_remembered_and_leads_back(client):
    answer = client.get("/preferences?language=zh&back=/models/a%3Fx=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/models/a?x=1")
    assert '<html lang="zh-Hans"' in client.get("/nothing", headers={"accept-language": "en"}).text
    client.get("/preferences?theme=dark")
    assert 'data-theme="dark"' in client.get("/nothing").text


@pytest.mark.parametrize("query", ["language=xx", "theme=neon", ""])
def test_a_preference_that_makes_no_sense_is_not_remembered(client, query):
    answer = client.get(f"/preferences?{query}&back=https://evil.example")
    assert answer.headers["location"] == "/"
    assert "set-cookie" not in answer.headers


def test_over_tls_cookies_and_transport_are_strict(pages):
    client = client_of(pages)
    client.base_url = "https://shop.example"
    answer = client.get("/preferences?theme=dark")
    assert "Secure" in answer.headers["set-cookie"]
    assert "max-age" in answer.headers["strict-transport-security"]


def test_while_the_database_is_away_the_page_says_so_and_leads_back_to_what_was_asked(client):
    answer = client.get("/away?model=a%20b&period=7d")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Our database does not answer at the moment." in answer.text
    assert 'href="/away?model=a%20b&amp;period=7d"' in answer.text
    assert "secret" not in answer.text
