import re

import pytest
from stage.pages import PASSWORD
from stage.visitor import signed_in
from starlette.testclient import TestClient

from puyun.identity.model import Role
from puyun.portal.settings.data import PATH
from puyun.storage.engine import reading
from puyun.storage.identity import find_user
from puyun.web import throttle


@pytest.fixture
def engines(pages):
    return pages.organization("Engines")


@pytest.fixture
def bob(pages, engines):
    pages.person("ada@example.com", engines)
    pages.person("bob@example.com", engines, role=Role.VIEWER)
    return signed_in(pages, "bob@example.com")


def close(client, password=PASSWORD, **form):
    token = re.search(r'name="csrf" value="(\w+)"', client.get(PATH).text)[1]
    return client.post(f"{PATH}/close", data={"csrf": token, "password": password} | form)


def known(pages, email):
    with reading(pages.engine) as connection:
        return find_user(connection, email) is not None


def test_a_copy_is_a_file_that_nobody_keeps_on_the_way(bob):
    answer = bob.get(f"{PATH}/copy")
    assert answer.json()["user"]["email"] == "bob@example.com"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_who_closes_is_gone_and_signed_out(pages, bob):
    answer = close(bob)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert not known(pages, "bob@example.com")
    assert bob.get(PATH).headers["location"].startswith("/login")


def test_a_wrong_password_changes_nothing_and_tries_are_counted(pages, bob, monkeypatch):
    monkeypatch.setattr(throttle, "FREE_BY_EMAIL", 2)
    answer = close(bob, "not it")
    assert answer.status_code == 422
    assert "Nothing was changed." in answer.text
    assert close(bob, "not it").status_code == 422
    answer = close(bob)
    assert answer.status_code == 429
    assert answer.headers["retry-after"]
    assert known(pages, "bob@example.com")


def test_a_forged_form_changes_nothing(pages, bob):
    assert close(bob, csrf="0" * 64).status_code == 403
    assert known(pages, "bob@example.com")


def test_who_is_needed_reads_why_and_is_refused(pages, bob, engines):
    client = signed_in(pages, "ada@example.com")
    assert "You are the only owner of Engines" in client.get(PATH).text
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/portal/playground").text)[1]
    answer = client.post(f"{PATH}/close", data={"csrf": token, "password": PASSWORD})
    assert answer.status_code == 409
    assert known(pages, "ada@example.com")


def test_strangers_are_led_to_the_sign_in(pages):
    client = TestClient(pages.app, follow_redirects=False)
    for path in (PATH, f"{PATH}/copy"):
        assert client.get(path).headers["location"].startswith("/login")
