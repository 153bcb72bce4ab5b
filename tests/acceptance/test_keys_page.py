"""The Keys page in a real browser: what is made there calls at once, and what is revoked there calls no more."""

import openai
import pytest
from playwright.sync_api import expect
from stage.browser import LOCALES, too_wide, window
from stage.pages import CHAT, Site
from stage.platform import Platform
from stage.waiting import until

from puyun.identity.model import Role

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

EMAIL = "ada@example.com"
PAGE = "/portal/keys"
CLIPBOARD = ["clipboard-read", "clipboard-write"]


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
    email = platform.person(account, Role.ADMIN)

    def calls(secret):
        with platform.client(secret) as client:
            try:
                client.chat.completions.create(model="mock", messages=[{"role": "user", "content": "one two"}])
            except openai.AuthenticationError:
                return False
        return True

    with window(browser, platform.base_url, PAGE, email=email, permissions=CLIPBOARD) as page:
        page.get_by_role("link", name="Create a key").click()
        page.get_by_label("Name").fill("night shift")
        page.get_by_label("Only chosen ones").check()
        page.get_by_role("checkbox", name="mock", exact=True).check()
        page.get_by_label("Budget").fill("1.00")
        page.get_by_label("Only from these addresses").fill("127.0.0.0/8")
        page.get_by_role("button", name="Create the key").click()
        first = copied(page)
        expect(page.locator("pre code")).to_contain_text(platform.base_url)
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
        expect(row(page, second).locator('[data-field="models"]')).to_have_text("mock")
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
def site(tmp_path, migrated):
    site = Site(tmp_path, migrated)
    site.models()
    site.person(EMAIL, site.organization("Engines"))
    yield site
    site.close()


@pytest.fixture
def address(site):
    with site.serving() as address:
        yield address


def test_everything_works_without_scripts(address, browser):
    with window(browser, address, PAGE, email=EMAIL, java_script_enabled=False) as page:
        page.get_by_role("link", name="Create the first key").click()
        page.get_by_label("Only chosen ones").check()
        page.get_by_label("Budget").fill("free")
        page.get_by_role("button", name="Create the key").click()
        expect(page.locator(".fault")).to_have_count(2)
        expect(page.get_by_label("Budget")).to_have_value("free")
        page.get_by_role("checkbox", name=CHAT.name).check()
        page.get_by_label("Budget").fill("")
        page.get_by_role("button", name="Create the key").click()
        secret = page.locator("#secret").inner_text()
        expect(page.locator("[data-copies]")).to_be_hidden()
        page.reload()
        page.wait_for_url("**repeated=1")
        expect(page.locator("[data-key]")).to_have_count(1)
        row(page, secret).get_by_role("link", name="Revoke").click()
        page.get_by_role("button", name="Revoke the key").click()
        page.wait_for_url("**key=key_1")
        page.get_by_role("radio", name="All").check()
        page.get_by_role("button", name="Show").click()
        expect(row(page, secret)).to_have_attribute("data-state", "revoked")


def test_a_key_is_made_by_keyboard(address, browser):
    with window(browser, address, PAGE, email=EMAIL) as page:
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


@pytest.mark.parametrize("locale", LOCALES)
def test_no_page_is_wider_than_its_window(site, address, browser, locale):
    organization = site.organization("An organization with a rather long name")
    site.person("eve@example.com", organization)
    site.key(organization, "a key whose name goes on, with anunbreakablewordofconsiderablelengthinit")
    paths = [PAGE, *(f"{PAGE}/{path}" for path in ("key_1/rotate", "key_1/revoke", "new"))]
    with window(browser, address, PAGE, email="eve@example.com", locale=locale) as page:
        assert too_wide(page, *paths) == []
        page.locator("form.key-form .primary").click()
        expect(page.locator("#secret")).to_be_visible()
        assert too_wide(page) == []
