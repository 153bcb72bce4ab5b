"""Changing the password: who is in afterwards, and who never gets there."""

import pytest
from stage.pages import PASSWORD

from puyun.portal.security import password as module
from puyun.web.throttle import FREE_BY_EMAIL

NEW = "a new one, and longer"


def change(browser, present=PASSWORD, new=NEW, again=NEW):
    return browser.fill("password", present=present, new=new, again=again)


def test_the_new_password_lets_in_and_the_old_one_does_not(ada, browser):
    answer = change(ada)
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal/settings/security?done=password")
    assert ada.inside
    assert "Your password is changed." in ada.get(answer.headers["location"]).text
    assert browser().sign_in().status_code == 401
    assert browser().sign_in(password=NEW).status_code == 303


def test_all_other_sessions_end_and_this_one_gets_a_new_cookie(ada, browser):
    other = browser()
    other.sign_in()
    before = ada.cookies["puyun-session"]
    change(ada)
    assert not other.inside
    assert ada.cookies["puyun-session"] != before
    thief = browser()
    thief.cookies.set("puyun-session", before)
    assert not thief.inside


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"present": "not this one"}, "The password is not right."),
        ({"new": "short", "again": "short"}, "at least 10 characters"),
        ({"new": "x" * 1025, "again": "x" * 1025}, "at most 1024"),
        ({"again": "another one, and longer"}, "are not the same"),
        ({"present": ""}, "The password is not right."),
    ],
)
def test_what_does_not_fit_changes_nothing(ada, browser, form, words):
    other = browser()
    other.sign_in()
    answer = change(ada, **form)
    assert answer.status_code == 422
    assert words in answer.text
    assert other.inside
    assert browser().sign_in().status_code == 303


def test_guessing_is_slowed_down_as_at_the_sign_in(ada, browser):
    for _ in range(FREE_BY_EMAIL):
        assert change(ada, present="a guess").status_code == 422
    answer = [change(ada, present="a guess") for _ in range(2)][-1]
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert change(ada).status_code == 429  # the right one too
    assert browser().sign_in().status_code == 429


def test_nobody_gets_there_without_a_session_or_with_a_foreign_form(ada, browser):
    form = {"present": PASSWORD, "new": NEW, "again": NEW}
    path = "/portal/settings/security/password"
    assert browser().post(path, data=form).headers["location"].startswith("/login")
    assert ada.post(path, data=form).status_code == 403
    token = ada.token(path)
    assert ada.post(path, data=form | {"csrf": token}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert browser().sign_in().status_code == 303


def test_of_two_changes_at_once_the_second_is_refused(ada, browser, monkeypatch):
    """Another browser changes the password between this one's proof and its own change."""
    other = browser()
    other.sign_in()
    usual = module.hash_password

    def meanwhile(new):
        monkeypatch.setattr(module, "hash_password", usual)
        assert change(other, new="the other one's choice", again="the other one's choice").status_code == 303
        return usual(new)

    token = ada.token("/portal/settings/security/password")
    monkeypatch.setattr(module, "hash_password", meanwhile)
    form = {"csrf": token, "present": PASSWORD, "new": NEW, "again": NEW}
    assert ada.post("/portal/settings/security/password", data=form).status_code == 422
    assert browser().sign_in(password="the other one's choice").status_code == 303
    assert browser().sign_in(password=NEW).status_code == 401


def test_the_page_is_kept_by_nobody(ada):
    assert ada.get("/portal/settings/security/password").headers["cache-control"] == "no-store"
