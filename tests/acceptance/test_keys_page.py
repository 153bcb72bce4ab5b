"""The Keys page in a real browser: what is made there calls at once, and what is revoked there calls no more."""

from contextlib import contextmanager

import openai
import pytest
from playwright.sync_api import expect, sync_playwright
from stage.pages import CHAT, FLAGS, PASSWORD, Site
from stage.platform import Platform
from stage.waiting import PATIENCE, until

from puyun.identity.model import Membership, Role
from puyun.storage.engine import writing
from puyun.storage.identity import create_user, set_membership
from puyun.system.clock import SystemClock
from puyun.system.passwords import hash_password

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

EMAIL = "ada@example.com"
PAGE = "/portal/keys"
REFUSED_FORM = "422 (Unprocessable Entity)"
"""What Chromium says of a form that comes back for a change; the page is as it should be."""
expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def window(browser, address, email, **options):
    """The page of somebody who has just signed in; an error in it, or a request to anybody else, is a failure."""
    faults = []
    context = browser.new_context(base_url=address, **{"locale": "en-US", **options})
    context.set_default_timeout(PATIENCE * 1000)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: request.url.startswith(address) or faults.append(request.url))
    page.goto(PAGE)
    page.locator("[name=email]").fill(email)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main button").click()
    page.wait_for_url(f"**{PAGE}*")
    yield page
    context.close()
    assert [fault for fault in faults if REFUSED_FORM not in fault] == []


def copied(page):
    page.locator("[data-copies]").click()
    expect(page.locator("[data-copies]")).to_contain_text("Copied")
    secret = page.evaluate("navigator.clipboard.readText()")
    assert secret == page.locator("#secret").inner_text()
    return secret


def row(page, secret):
    return page.locator("[data-key]", has_text=secret[:13])


def test_a_key_is_made_calls_is_rotated_and_revoked(platform: Platform, browser):
    account = platform.account()
    email = f"keys-{account.number}@example.com"
    with writing(platform.engine) as connection:
        user = create_user(connection, email, hash_password(PASSWORD), now=SystemClock().now())
        set_membership(connection, Membership(org=account.number, user=user.id, role=Role.ADMIN))

    def calls(secret):
        with platform.client(secret) as client:
            try:
                client.chat.completions.create(model="mock", messages=[{"role": "user", "content": "one two"}])
            except openai.AuthenticationError:
                return False
        return True

    with window(browser, platform.base_url, email) as page:
        page.get_by_role("link", name="Create a key").click()
        page.get_by_label("Name").fill("night shift")
        page.get_by_label("Only chosen ones").check()
        page.get_by_role("checkbox", name="mock", exact=True).check()
        page.get_by_label("Budget").fill("1.00")
        page.get_by_label("Only from these addresses").fill("127.0.0.0/8")
        page.get_by_role("button", name="Create the key").click()
        first = copied(page)
        assert platform.base_url in page.locator("pre code").inner_text()
        assert first not in page.url
        until(lambda: calls(first), "a call with the new key")

        page.reload()
        expect(row(page, first)).to_contain_text("this hour")
        assert first not in page.content()
        row(page, first).get_by_role("link", name="Rotate").click()
        page.get_by_label("In an hour").check()
        page.get_by_role("button", name="Rotate the key").click()
        second = copied(page)
        until(lambda: calls(second), "a call with the key that takes its place")
        assert calls(first)

        page.get_by_role("link", name="I have kept it").click()
        assert row(page, second).locator('[data-field="models"]').inner_text() == "mock"
        for secret in (second, first):
            row(page, secret).get_by_role("link", name="Revoke").click()
            page.get_by_role("button", name="Revoke the key").click()
            expect(page.get_by_role("status")).to_contain_text(f"{secret[:13]}…) is revoked")
            expect(row(page, secret)).to_have_count(0)
            until(lambda secret=secret: not calls(secret), "the revoked key to be refused")
        assert platform.status("/v1/models", first) == 401
        page.get_by_label("All").check()
        expect(row(page, first)).to_have_attribute("data-state", "revoked")


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    site.models()
    site.person(EMAIL, site.organization("Engines"))
    yield site
    site.close()


@pytest.fixture
def address(site):
    with site.serving() as address:
        yield address


def test_everything_works_without_scripts(address, browser):
    with window(browser, address, EMAIL, java_script_enabled=False) as page:
        page.get_by_role("link", name="Create the first key").click()
        page.get_by_label("Only chosen ones").check()
        page.get_by_label("Budget").fill("free")
        page.get_by_role("button", name="Create the key").click()
        assert page.locator(".fault").count() == 2
        assert page.get_by_label("Budget").input_value() == "free"
        page.get_by_role("checkbox", name=CHAT.name).check()
        page.get_by_label("Budget").fill("")
        page.get_by_role("button", name="Create the key").click()
        secret = page.locator("#secret").inner_text()
        assert not page.locator("[data-copies]").is_visible()
        page.reload()
        page.wait_for_url("**repeated=1")
        assert page.locator("[data-key]").count() == 1
        row(page, secret).get_by_role("link", name="Revoke").click()
        page.get_by_role("button", name="Revoke the key").click()
        page.wait_for_url("**key=key_1")
        page.get_by_role("radio", name="All").check()
        page.get_by_role("button", name="Show").click()
        assert row(page, secret).get_attribute("data-state") == "revoked"


def test_a_key_is_made_by_keyboard(address, browser):
    with window(browser, address, EMAIL) as page:
        page.get_by_role("link", name="Create the first key").press("Enter")
        expect(page.get_by_label("Name")).to_be_focused()
        page.keyboard.type("typed")
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("Enter")
        expect(page.locator("#secret")).to_be_visible()
        page.get_by_role("link", name="I have kept it").press("Enter")
        expect(page.locator("[data-key]")).to_contain_text("Test")
        page.keyboard.press("/")
        page.keyboard.type("zzz")
        expect(page.locator("#keys")).to_contain_text("No key fits this search.")


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_no_page_is_wider_than_its_window(site, address, browser, width, locale):
    organization = site.organization("An organization with a rather long name")
    site.person("eve@example.com", organization)
    site.key(organization, "a key whose name goes on, with anunbreakablewordofconsiderablelengthinit")

    def fits():
        return page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0

    with window(browser, address, "eve@example.com", viewport={"width": width, "height": 800}, locale=locale) as page:
        assert fits()
        for path in ("new", "key_1/rotate", "key_1/revoke"):
            page.goto(f"{PAGE}/{path}")
            assert fits(), path
        page.goto(f"{PAGE}/new")
        page.locator("form.key-form .primary").click()
        expect(page.locator("#secret")).to_be_visible()
        assert fits()
