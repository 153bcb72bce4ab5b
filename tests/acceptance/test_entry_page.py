"""Ways in beside the password in a real browser: there and back to an issuer, under our own rules about other sites."""

import re

import pytest
from playwright.sync_api import expect
from stage.browser import MILLISECONDS
from stage.issuer import StageIssuer
from stage.pages import PASSWORD, Site

from puyun.storage.engine import writing
from puyun.storage.security.links import Purpose, make_link
from puyun.system.clock import SystemClock

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

EMAIL = "ada@example.com"
PAGE = "/portal/settings/security"
REFUSED = ("403 (Forbidden)",)
"""What Chromium says of a sign-in that did not end inside; the page is as it should be."""


@pytest.fixture
def issuer():
    with StageIssuer(SystemClock()).serving() as issuer:
        yield issuer


@pytest.fixture
def site(tmp_path, issuer):
    site = Site(tmp_path, issuers=[issuer.settings()])
    site.person(EMAIL, site.organization("Engines"))
    yield site
    site.close()


@pytest.fixture
def page(site, browser):
    faults = []
    with site.serving() as address:
        context = browser.new_context(base_url=address, locale="en-US", viewport={"width": 360, "height": 800})
        context.set_default_timeout(MILLISECONDS)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        yield page
        context.close()
    assert [fault for fault in faults if not any(words in fault for words in REFUSED)] == []


def test_a_user_connects_an_issuer_and_signs_in_by_it(page):
    page.goto("/login")
    page.get_by_role("link", name="Sign in with Acme ID").click()
    expect(page.get_by_role("alert")).to_contain_text("Nobody here signs in with this account of Acme ID yet.")
    page.locator("main").get_by_role("link", name="Sign in", exact=True).click()
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main form button").click()
    page.get_by_role("link", name="Connect Acme ID").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("link", name="Go on to Acme ID").click()
    expect(page.get_by_role("status")).to_contain_text("It is connected.")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/")
    page.goto("/login")
    page.get_by_role("link", name="Sign in with Acme ID").click()
    expect(page).to_have_url(re.compile(r"/portal"))
    expect(page.get_by_role("button", name="Sign out")).to_be_attached()


def test_a_link_sets_a_new_password_and_signs_in(page, site):
    with writing(site.engine) as connection:
        make_link(connection, 1, Purpose.RESET, "secret", site.clock.now())
    page.goto("/reset/secret")
    page.get_by_label("New password", exact=False).first.fill("a new one, and longer")
    page.get_by_label("New password again").fill("a new one, and longer")
    page.get_by_role("button", name="Set it and sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_attached()
