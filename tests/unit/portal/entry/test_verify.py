"""Verifying an address at sign-up: what waits for it, what the link does, and on whose device."""

import pytest
from stage.pages import PASSWORD

from puyun.config import Mail, Signup
from puyun.kit.clock import DAY, HOUR
from puyun.kit.money import NANO
from puyun.storage.engine import reading, writing
from puyun.storage.identity import find_organization, find_user, list_keys
from puyun.storage.security.second import begin_second_step, confirm_second_step
from puyun.storage.signup.verifying import is_verified
from puyun.storage.wallets import load_wallet
from puyun.web.throttle import FREE_LETTERS

EMAIL = "ada@example.com"
FIRST = "Verify your address"


@pytest.fixture
def ada(browser):
    ada = browser()
    answer = ada.fill("/signup", email=EMAIL, password=PASSWORD, organization="Engines")
    assert answer.headers["location"] == "/portal/start"
    return ada


def verified(pages):
    with reading(pages.engine) as connection:
        return is_verified(connection, find_user(connection, EMAIL).id)


def bonus(pages):
    with reading(pages.engine) as connection:
        return load_wallet(connection, find_organization(connection, "Engines").id).bonus


def test_until_it_is_verified_there_are_no_keys_no_letters_and_no_credit(ada, pages, mailbox):
    page = ada.get("/portal/start").text
    assert FIRST in page
    assert "Make the first key" not in page
    assert bonus(pages) == 0
    assert ada.get("/portal/keys/new").headers["location"] == "/verify"
    csrf = ada.token("/portal/settings/security/password")
    tries = {
        "/portal/start": {"newest": ""},
        "/portal/keys/new": {"tier": "flex", "name": "x"},
        "/portal/playground/key": {},
        "/portal/settings/tokens": {"name": "x", "scopes": "usage:read"},
        "/portal/settings/members/invite": {"email": "bob@example.com", "role": "member"},
    }
    for path, form in tries.items():
        answer = ada.post(path, data={"csrf": csrf} | form)
        assert answer.status_code == 403, path
        assert "Verify your address first" in answer.text
    with reading(pages.engine) as connection:
        assert list_keys(connection) == []
    assert mailbox.to("bob@example.com") == []


def test_the_link_verifies_on_another_device_and_gives_what_waited(ada, pages, browser, mailbox):
    link = mailbox.link("/verify")
    phone = browser()
    page = phone.get(link)
    assert EMAIL in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert not verified(pages)  # looking does nothing
    assert "is verified" in phone.fill(link).text
    assert not phone.inside
    assert verified(pages)
    assert bonus(pages) == NANO
    assert FIRST not in ada.get("/portal/start").text
    assert ada.fill("/portal/start", newest="").status_code == 200


def test_the_link_goes_once_and_gives_once(ada, pages, browser, mailbox):
    link = mailbox.link("/verify")
    one, two = browser(), browser()
    tokens = [each.token(link) for each in (one, two)]
    answers = [each.post(link, data={"csrf": token}) for each, token in zip((one, two), tokens, strict=True)]
    assert [answer.status_code for answer in answers] == [200, 410]
    assert bonus(pages) == NANO


def test_a_link_ends_after_a_day_and_by_a_newer_one(ada, pages, browser, mailbox, clock):
    first = mailbox.link("/verify")
    assert ada.fill("/verify").headers["location"] == "/verify?sent=1"
    assert "on its way" in ada.get("/verify?sent=1").text
    assert browser().get(first).status_code == 410
    clock.advance(DAY)
    assert browser().get(mailbox.link("/verify")).status_code == 410
    assert not verified(pages)


def test_letters_are_not_sent_without_end(ada, mailbox, clock):
    answers = [ada.fill("/verify").status_code for _ in range(FREE_LETTERS + 2)]
    assert (answers[0], answers[-1]) == (303, 429)
    assert len(mailbox.letters) <= FREE_LETTERS + 2
    clock.advance(2 * HOUR)
    assert ada.fill("/verify").status_code == 303


def test_a_forged_form_verifies_nothing(ada, pages, browser, mailbox):
    assert browser().post(mailbox.link("/verify")).status_code == 403
    assert ada.post("/verify").status_code == 403
    assert browser().get("/verify").headers["location"].startswith("/login")
    assert not verified(pages)


def test_a_new_password_by_mail_verifies_too(ada, pages, browser, mailbox):
    browser().fill("/reset", email=EMAIL)
    browser().fill(mailbox.link("/reset"), new="a new one, and longer", again="a new one, and longer")
    assert verified(pages)
    assert bonus(pages) == NANO


def test_whoever_joins_by_a_mailed_invitation_is_verified(browser, pages, mailbox, person):
    boss = browser()
    boss.sign_in()
    boss.fill("/portal/settings/members/invite", "/portal/settings/members", email="bob@example.com", role="member")
    bob = browser()
    bob.fill(mailbox.link("/join", "bob@example.com"), password=PASSWORD)
    page = bob.get("/portal/usage")
    assert page.status_code == 200
    assert FIRST not in page.text


@pytest.mark.parametrize(
    ("mail", "terms"),
    [
        (Mail(), Signup(open=True, credit="1")),
        (Mail(host="x", sender="x", links="https://x"), Signup(open=True, credit="1", verify=False)),
    ],
)
def test_without_mail_or_where_nobody_asks_the_first_call_is_a_minute_away(ada, pages, mailbox):
    assert FIRST not in ada.get("/portal/start").text
    assert bonus(pages) == NANO
    assert ada.fill("/portal/start", newest="").status_code == 200
    assert mailbox.letters == []


def test_signing_up_again_does_not_pass_the_second_step_by(ada, pages, browser, clock):
    """The form lets in whoever is known and has the right password: as the sign-in does, not further."""
    with writing(pages.engine) as connection:
        user = find_user(connection, EMAIL)
        begin_second_step(connection, user.id, b"sealed", clock.now())
        confirm_second_step(connection, user.id, b"sealed", 1, clock.now())
    again = browser()
    answer = again.fill("/signup", email=EMAIL, password=PASSWORD, organization="Engines")
    assert answer.headers["location"].startswith("/login/code")
    assert not again.inside
