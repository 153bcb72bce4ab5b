"""Security settings in a real browser: a passkey is registered and lets in, and so does a code; nobody else gets there."""

import re
from base64 import b32decode

import pytest
from playwright.sync_api import expect
from stage.browser import MILLISECONDS
from stage.pages import PASSWORD, Site
from stage.waiting import until

from puyun.identity.totp import STEP, code_at

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

EMAIL = "ada@example.com"
PAGE = "/portal/settings/security"
REFUSED = ("401 (Unauthorized)", "422 (Unprocessable Entity)")
"""What Chromium says of a form that comes back for a change; the page is as it should be."""


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    site.person(EMAIL, site.organization("Engines"))
    yield site
    site.close()


@pytest.fixture
def page(site, browser):
    """Under a name, since a passkey belongs to one, with a device that holds passkeys and knows its owner."""
    faults = []
    with site.serving() as address:
        context = browser.new_context(base_url=address.replace("127.0.0.1", "localhost"), locale="en-US")
        context.set_default_timeout(MILLISECONDS)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        devices = context.new_cdp_session(page)
        devices.send("WebAuthn.enable")
        device = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
        options = device | {"isUserVerified": True, "automaticPresenceSimulation": True}
        devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        yield page
        context.close()
    assert [fault for fault in faults if not any(words in fault for words in REFUSED)] == []


def sign_in(page, password=PASSWORD):
    page.goto(f"/login?next={PAGE}")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(password)
    page.locator("main button").click()


def sign_out(page):
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/")


def test_a_passkey_is_registered_only_with_the_password(page):
    sign_in(page)
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("my desk")
    page.get_by_label("Your password").fill("not this one")
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("The password is not right.")
    expect(page.get_by_label("Name")).to_have_value("my desk")


def test_a_passkey_lets_in_until_it_is_removed(page):
    sign_in(page)
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("my desk")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.locator("[data-passkey-id]")).to_contain_text("my desk")
    expect(page.locator("[data-passkey-id]")).to_contain_text("not used yet")
    sign_out(page)

    page.goto(f"/login?next={PAGE}")
    page.get_by_role("link", name="Sign in with a passkey").click()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("[data-passkey-id]")).to_contain_text("last used")
    page.get_by_role("button", name="Remove the passkey my desk").click()
    expect(page.locator("[data-passkey-id]")).to_have_count(0)
    sign_out(page)

    page.goto("/login/passkey")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("This passkey is not known here")
    page.goto(PAGE)
    expect(page).to_have_url(re.compile("/login"))


def test_a_code_is_asked_for_once_it_is_turned_on(page, site):
    def code(secret, off=0):
        return code_at(b32decode(secret.replace(" ", "")), site.clock.now() // STEP + off)

    sign_in(page)
    page.get_by_role("button", name="Turn on").click()
    secret = page.locator("code.typed").inner_text()
    picture = page.locator("img.qr")
    until(lambda: picture.evaluate("image => image.complete && image.naturalWidth > 100"), "the picture")
    page.get_by_label("Code").fill(code(secret))
    page.get_by_role("button", name="Turn on").click()
    shown = page.locator(".recovery-codes code")
    expect(shown).to_have_count(10)
    codes = shown.all_inner_texts()
    page.get_by_role("link", name="I have kept them").click()
    sign_out(page)

    sign_in(page)
    page.wait_for_url("**/login/code?*")
    page.get_by_label("Code").fill("123")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This code is not right")
    page.get_by_label("Code").fill(code(secret, 1))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{PAGE}")
    sign_out(page)
    sign_in(page)
    page.get_by_label("Code").fill(codes[0])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{PAGE}")
    expect(page.locator("main")).to_contain_text(re.compile("9 recovery codes are left"))
