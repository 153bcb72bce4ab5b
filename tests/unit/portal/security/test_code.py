"""The second page of a sign-in: what opens it, what does not, and how often."""

import pytest

from puyun.identity.totp import STEP
from puyun.kit.clock import HOUR, MINUTE
from puyun.portal.security.tries import FREE_CODES

CODE = "/login/code"


@pytest.fixture
def half(browser, app):
    """A browser whose password was right, and who owes a code."""
    half = browser()
    assert half.sign_in().headers["location"] == f"{CODE}?next=%2Fportal%2Fusage"
    return half


def give(browser, code):
    return browser.post(CODE, data={"csrf": browser.token(CODE), "code": code, "next": "/portal/usage"})


def test_the_password_alone_lets_nobody_in(half):
    assert "puyun-session" not in half.cookies
    assert not half.inside
    assert half.get("/portal/settings/security").headers["location"].startswith("/login")
    half.cookies.set("puyun-session", half.cookies["puyun-pending"])
    assert not half.inside


def test_the_code_of_the_app_lets_in_once(half, app, browser):
    answer = give(half, app.code())
    assert (answer.status_code, answer.headers["location"]) == (303, "/portal/usage")
    assert half.inside
    assert not half.cookies.get("puyun-pending")
    replay = browser()
    replay.sign_in()
    assert give(replay, app.code()).status_code == 401
    assert give(replay, app.code(-1)).status_code == 401
    assert not replay.inside


def test_the_code_that_turned_it_on_does_not_let_in(half, app):
    assert give(half, app.code(-1)).status_code == 401


@pytest.mark.parametrize(("off", "taken"), [(1, True), (2, False), (-2, False)])
def test_a_clock_may_be_one_step_off(half, app, off, taken):
    assert (give(half, app.code(off)).status_code == 303) == taken


def test_the_pending_cookie_is_out_of_reach_of_scripts_and_short_lived(browser, app):
    answer = browser().sign_in()
    line = next(line for line in answer.headers.get_list("set-cookie") if "pending" in line).lower()
    assert "httponly" in line
    assert "samesite=lax" in line
    assert "max-age=600" in line


def test_who_takes_too_long_begins_again(half, app, clock):
    token = half.token(CODE)
    clock.advance(11 * MINUTE)
    assert half.get(CODE).headers["location"].startswith("/login?next=")
    answer = half.post(CODE, data={"csrf": token, "code": app.code(), "next": "/portal/usage"})
    assert answer.headers["location"].startswith("/login?next=")
    assert not half.inside


def test_a_pending_cookie_goes_once(half, app, browser, clock):
    kept = half.cookies["puyun-pending"]
    give(half, app.code())
    clock.advance(STEP)
    thief = browser()
    thief.get("/login")
    thief.cookies.set("puyun-pending", kept)
    answer = thief.post(CODE, data={"csrf": thief.token("/login"), "code": app.code(), "next": "/portal"})
    assert answer.headers["location"].startswith("/login")
    assert not thief.inside


def test_recovery_codes_let_in_once_each(half, codes, browser):
    assert give(half, codes[3].lower().replace("-", " ")).status_code == 303
    assert half.inside
    again = browser()
    again.sign_in()
    assert give(again, codes[3]).status_code == 401
    assert give(again, codes[4]).status_code == 303
    assert "8 recovery codes are left" in again.get("/portal/settings/security").text


@pytest.mark.parametrize("code", ["", "000000", "AAAA-AAAA-AAAA-AAAA", "x" * 5000, "'; --", "\udce9"])
def test_what_is_no_code_lets_nobody_in(half, code):
    answer = half.post(
        CODE, data={"csrf": half.token(CODE), "code": code.encode("utf-8", "surrogateescape"), "next": "/portal"}
    )
    assert answer.status_code in {400, 401}
    assert not half.inside


def test_guessing_is_slowed_down_for_the_user_whatever_the_browser(half, app, browser, clock):
    other = browser()
    other.sign_in()
    for number in range(FREE_CODES):
        assert give(half if number % 2 else other, "000000").status_code == 401
    answer = give(other, app.code())
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert not other.inside
    clock.advance(2 * HOUR)
    other.sign_in()
    assert give(other, app.code()).status_code == 303


def test_another_user_s_code_and_recovery_code_let_nobody_in(half, pages, browser, enrol):
    pages.person("eve@example.com", pages.organization("Others"))
    eve = browser()
    eve.sign_in("eve@example.com")
    hers, her_codes = enrol(eve)
    assert give(half, hers.code()).status_code == 401
    assert give(half, her_codes[0]).status_code == 401


def test_the_form_is_the_page_s_own(half, app):
    assert half.post(CODE, data={"code": app.code()}).status_code == 403
    assert not half.inside


def test_nobody_is_led_to_another_site(half, app):
    form = {"csrf": half.token(CODE), "code": app.code(), "next": "//evil.example"}
    assert half.post(CODE, data=form).headers["location"] == "/portal"


def test_without_a_password_the_page_leads_to_it(browser):
    stranger = browser()
    stranger.get("/login")
    assert stranger.get(CODE).headers["location"].startswith("/login")


def test_a_changed_password_ends_what_is_pending(half, ada, app):
    form = {"present": "correct horse battery", "new": "a new one, and longer", "again": "a new one, and longer"}
    assert ada.fill("password", **form).status_code == 303
    assert half.get(CODE).headers["location"].startswith("/login")
