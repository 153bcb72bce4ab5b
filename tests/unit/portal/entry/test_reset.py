"""A new password by mail: who gets a link, what it opens, and what nobody learns or keeps by it."""

import re
import threading

import pytest

from puyun.config import Mail
from puyun.identity.totp import STEP, code_at
from puyun.kit.clock import HOUR, MINUTE
from puyun.portal.entry import reset as module
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_user, find_user, set_password_hash
from puyun.storage.security.acts import Kind, acts_of_user
from puyun.storage.security.identities import connect, list_identities
from puyun.storage.security.second import begin_second_step, confirm_second_step, find_second_step
from puyun.storage.signup.verifying import is_verified
from puyun.web.throttle import FREE_BY_EMAIL, FREE_LETTERS, FREE_RESETS_BY_ADDRESS

EMAIL = "ada@example.com"
NEW = "a new one, and longer"


def ask(browser, email=EMAIL):
    return browser.fill("/reset", email=email)


def set_new(browser, link, new=NEW, again=NEW):
    return browser.fill(link, new=new, again=again)


@pytest.fixture
def link(browser, mailbox, person):
    assert ask(browser()).status_code == 200
    return mailbox.link("/reset")


def test_a_link_sets_a_new_password_once_and_signs_in(browser, mailbox, link):
    other = browser()
    other.sign_in()
    here = browser()
    answer = set_new(here, link)
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal")
    assert here.inside
    assert not other.inside
    assert browser().sign_in().status_code == 401
    assert browser().sign_in(password=NEW).status_code == 303
    gone = browser().get(link)
    assert (gone.status_code, "replaced by a newer one" in gone.text) == (410, True)
    assert mailbox.letters[0].subject == "Your password at Puyun AI was changed"
    assert "/reset" in mailbox.letters[0].body


def test_looking_at_the_page_uses_nothing_up_and_tells_nobody_its_address(browser, link):
    for _ in range(3):
        answer = browser().get(link)
        assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert set_new(browser(), link).status_code == 303


def test_a_link_ends_after_an_hour_and_by_a_newer_one(browser, mailbox, link, clock):
    ask(browser())
    newer = mailbox.link("/reset")
    assert newer != link
    assert browser().get(link).status_code == 410
    clock.advance(HOUR - MINUTE)
    form = {"csrf": (late := browser()).token(newer), "new": NEW, "again": NEW}
    clock.advance(MINUTE)
    assert late.post(newer, data=form).status_code == 410
    assert browser().sign_in().status_code == 303


def test_nobody_learns_who_has_a_user_here(browser, mailbox, person):
    known, unknown = ask(browser()), ask(browser(), "eve@example.com")
    assert known.status_code == unknown.status_code == 200

    def plain(answer, email):
        return re.sub(r'value="\w+"', "", answer.text.replace(email, "X"))

    assert plain(known, EMAIL) == plain(unknown, "eve@example.com")
    assert [letter.recipient for letter in mailbox.letters] == [EMAIL]


def test_asking_is_slowed_down_by_person_and_by_place_known_or_not(browser, mailbox, person, clock):
    for email in (EMAIL, "eve@example.com"):
        answers = [ask(browser(), email).status_code for _ in range(FREE_LETTERS + 2)]
        assert (answers[0], answers[-1]) == (200, 429)
    assert len(mailbox.to(EMAIL)) <= FREE_LETTERS + 1
    clock.advance(2 * HOUR)
    answers = [ask(browser(), f"somebody{number}@example.com") for number in range(FREE_RESETS_BY_ADDRESS + 2)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


def test_the_second_step_is_asked_for_after_it(browser, pages, person, link, clock):
    secret = b"x" * 20
    with writing(pages.engine) as connection:
        sealed = pages.vault.seal(f"second step {person.id}", secret)
        begin_second_step(connection, person.id, sealed, clock.now())
        confirm_second_step(connection, person.id, sealed, 1, clock.now())
    here = browser()
    answer = set_new(here, link)
    assert answer.headers["location"].startswith("/login/code")
    assert not here.inside
    code = code_at(secret, clock.now() // STEP)
    assert here.fill("/login/code", code=code, next="/portal/usage").status_code == 303
    assert here.inside


def test_what_does_not_fit_is_said_and_the_link_still_works(browser, link):
    here = browser()
    assert "at least 10 characters" in set_new(here, link, "short", "short").text
    assert "are not the same" in set_new(here, link, NEW, NEW + "x").text
    assert set_new(here, link, "x" * 1025, "x" * 1025).status_code == 422
    assert set_new(here, link).status_code == 303


def test_of_two_posts_at_once_one_sets_the_password(browser, link, monkeypatch):
    """Both have seen that the link is good before either uses it up."""
    meet, usual = threading.Barrier(2), module.hash_password

    def together(new):
        meet.wait(20)
        return usual(new)

    here, there = browser(), browser()
    tokens = [each.token(link) for each in (here, there)]
    monkeypatch.setattr(module, "hash_password", together)
    answers = []

    def post(each, token, new):
        answers.append((each.post(link, data={"csrf": token, "new": new, "again": new}).status_code, new))

    threads = [
        threading.Thread(target=post, args=(each, token, f"the choice of number {number}"))
        for number, (each, token) in enumerate(zip((here, there), tokens, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [303, 410]
    assert browser().sign_in(password=next(new for status, new in answers if status == 303)).status_code == 303


def test_a_changed_password_kills_links_that_wait(browser, pages, person, link):
    with writing(pages.engine) as connection:
        set_password_hash(connection, person.id, "x")
    assert browser().get(link).status_code == 410


def test_a_forged_form_and_a_made_up_link_open_nothing(browser, link, mailbox):
    assert browser().post(link, data={"new": NEW, "again": NEW}).status_code == 403
    assert browser().post("/reset", data={"email": EMAIL}).status_code == 403
    for secret in ("x", "x" * 500, "%00", "\u4f60"):
        assert browser().get(f"/reset/{secret}").status_code == 410
    verify = link.replace("/reset/", "/verify/")
    assert browser().get(verify).status_code == 410  # a link opens what it was made for


def test_somebody_without_a_password_gets_one_and_a_locked_out_one_gets_in(browser, pages, mailbox, clock):
    with writing(pages.engine) as connection:
        create_user(connection, EMAIL, "", now=clock.now())
    for _ in range(FREE_BY_EMAIL + 2):
        browser().sign_in(password="a guess, and another")
    ask(browser())
    assert set_new(browser(), mailbox.link("/reset")).status_code == 303
    assert browser().sign_in(password=NEW).status_code == 303


def test_whoever_signed_up_with_another_s_address_keeps_no_way_in(browser, pages, mailbox, clock):
    """Pre-hijacking: codes and identities of whoever was there first go when the mail's reader sets a password."""
    browser().fill("/signup", email=EMAIL, password="chosen by somebody", organization="Trap")
    with writing(pages.engine) as connection:
        user = find_user(connection, EMAIL)
        connect(connection, user.id, "https://issuer", "mallory", email="mallory@example.com", now=clock.now())
        begin_second_step(connection, user.id, b"sealed", clock.now())
        confirm_second_step(connection, user.id, b"sealed", 1, clock.now())
    ask(browser())
    here = browser()
    assert set_new(here, mailbox.link("/reset")).headers["location"] == "/portal"
    with reading(pages.engine) as connection:
        assert list_identities(connection, user.id) == []
        assert find_second_step(connection, user.id) is None
        assert is_verified(connection, user.id)


def test_a_verified_user_keeps_them(pages, browser, person, link, clock):
    with writing(pages.engine) as connection:
        connect(connection, person.id, "https://issuer", "ada", email=EMAIL, now=clock.now())
    set_new(browser(), link)
    with reading(pages.engine) as connection:
        assert len(list_identities(connection, person.id)) == 1
        assert [act.kind for act in acts_of_user(connection, person.id, 9)] == [Kind.PASSWORD_RESET]


def test_only_a_hash_of_the_link_is_kept(pages, link):
    with reading(pages.engine) as connection:
        stored = [dict(row._mapping) for row in connection.execute(schema.metadata.tables["mailed_link"].select())]
    assert link.split("/")[-1] not in str(stored)


@pytest.mark.parametrize("mail", [Mail()])
def test_without_mail_the_page_says_whom_to_ask(browser, person, mailbox):
    here = browser()
    assert "Ask the operator of this service" in here.get("/reset").text
    assert "/reset" not in here.get("/login").text
    token = here.token("/login")
    assert here.post("/reset", data={"csrf": token, "email": EMAIL}).status_code == 200
    assert mailbox.letters == []


def test_the_sign_in_leads_to_it_and_an_address_that_cannot_be_is_said(browser, mailbox):
    assert 'href="/reset"' in browser().get("/login").text
    answer = ask(browser(), "ada")
    assert (answer.status_code, "This is no e-mail address" in answer.text) == (400, True)
