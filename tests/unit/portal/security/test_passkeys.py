"""Passkeys without a device: what comes in their place lets nobody in. With one: tests/acceptance/test_security_page.py."""

import json
import re
from html import unescape

import pytest
from stage.pages import PASSWORD

from puyun.storage.engine import reading, writing
from puyun.storage.security.passkeys import NewPasskey, add_passkey, list_passkeys

PAGE = "/portal/settings/security"
NONSENSE = [
    "",
    "{}",
    "[]",
    "null",
    '"x"',
    "{",
    '{"id": 1}',
    '{"id": "x", "rawId": "x", "type": "public-key", "response": {}}',
]


def options_of(page):
    return json.loads(unescape(re.search(r'data-options="([^"]*)"', page)[1]))


def count(pages):
    with reading(pages.engine) as connection:
        return len(list_passkeys(connection, 1))


@pytest.mark.parametrize("answer", NONSENSE)
def test_what_no_device_says_registers_nothing(ada, pages, answer):
    sent = ada.fill("passkeys/new", name="phone", password=PASSWORD, answer=answer)
    assert sent.status_code == 422
    assert "did not give a passkey" in sent.text
    assert count(pages) == 0


@pytest.mark.parametrize("answer", NONSENSE)
def test_what_no_device_says_lets_nobody_in(browser, answer):
    stranger = browser()
    form = {"csrf": stranger.token("/login/passkey"), "answer": answer, "next": "/portal"}
    assert stranger.post("/login/passkey", data=form).status_code == 401
    assert not stranger.inside


def test_registering_needs_a_name_and_the_password(ada, pages):
    assert "A name has 1 to 100" in ada.fill("passkeys/new", name=" ", password=PASSWORD).text
    assert "The password is not right." in ada.fill("passkeys/new", name="phone", password="a guess").text
    assert count(pages) == 0


def test_the_device_is_asked_to_know_its_owner_at_the_origin_of_the_request(pages, browser):
    page = browser().get("/login/passkey")
    assert page.headers["cache-control"] == "no-store"
    options = options_of(page.text)
    assert (options["rpId"], options["userVerification"]) == ("testserver", "required")
    assert options["challenge"] != options_of(browser().get("/login/passkey").text)["challenge"]


def test_nobody_removes_the_passkey_of_somebody_else(ada, pages, browser):
    pages.person("eve@example.com", pages.organization("Others"))
    eve = browser()
    eve.sign_in("eve@example.com")
    with writing(pages.engine) as connection:
        number = add_passkey(
            connection, 1, NewPasskey(credential=b"c", public_key=b"p", signs=0, name="phone"), pages.clock.now()
        )
    for text in (str(number), "", "x", "9" * 40, "-1", "١"):
        assert eve.fill("passkeys/remove", "", passkey=text).status_code == 303
    assert count(pages) == 1
    assert ada.post(f"{PAGE}/passkeys/remove", data={"passkey": number}).status_code == 403
    assert ada.fill("passkeys/remove", "", passkey=number).status_code == 303
    assert count(pages) == 0


def test_a_form_of_another_site_does_not_sign_in(browser):
    assert browser().post("/login/passkey", data={"answer": "{}"}).status_code == 403
