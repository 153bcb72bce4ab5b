"""From nothing to the first call, in a real browser against a whole server: by keyboard, on a phone, without scripts."""

import subprocess
import sys
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import pytest
from playwright.sync_api import expect
from stage.browser import LOCALES, too_wide, window
from stage.pages import PASSWORD
from stage.platform import Platform
from stage.waiting import PATIENCE, until

from puyun.kit.money import NANO, format_amount
from puyun.storage.engine import reading
from puyun.storage.identity import find_organization
from puyun.storage.wallets import load_wallet

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PROXY = "127.0.0.2"

TERMS = {
    "PUYUN_SIGNUP__OPEN": "true",
    "PUYUN_SIGNUP__CREDIT": "1.00",
    "PUYUN_SIGNUP__PER_DAY": "1000",
    "PUYUN_SERVER__TRUSTED_PROXIES": PROXY,
}
"""Open, with credit; the platform's own accounts are organizations of today too."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with Platform(tmp_path_factory.mktemp("open"), **TERMS) as running:
        yield running


@pytest.fixture
def visit(browser, shop):
    """A window of its own; what goes wrong in it unseen fails the test."""
    with ExitStack() as opened:
        yield lambda path="/", **options: opened.enter_context(window(browser, shop.base_url, path, **options))


def fill(page, name):
    page.goto("/signup")
    page.locator("[name=email]").fill(f"{name}@example.com")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=organization]").fill(f"{name} & Co")
    page.locator("main form button").click()
    page.wait_for_url("**/portal/start")


def make_key(page):
    page.locator("#step-key form button").click()
    return page.locator("#key").inner_text()


def shown_call(page, place):
    """The text of a tab: curl, Python, JavaScript."""
    return page.locator("#snippet .tab code").nth(place).text_content()


def run(shop: Platform, folder: Path, key: str, program: str) -> None:
    """The Python call as the page shows it, by the official SDK, once the server knows the key."""
    until(lambda: shop.status("/v1/models", key) == 200, "the key to be known")
    file = folder / "call.py"
    file.write_text(program)
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_from_the_home_page_to_a_billed_call_by_keyboard(shop, visit, tmp_path):
    page = visit()
    page.locator("main").get_by_role("link", name="Sign up").press("Enter")
    page.wait_for_url("**/signup")
    expect(page.locator("[name=email]")).to_be_focused()
    for text in ("ada@example.com", PASSWORD, "Engines"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/start")
    page.get_by_role("button", name="Make the first key").press("Enter")
    key = page.locator("#key").inner_text()
    page.wait_for_selector("body.is-live")
    expect(page.locator("#first-call")).to_contain_text("Waiting for your first call…")
    page.get_by_role("tab", name="curl").press("ArrowRight")
    expect(page.locator("#snippet").get_by_role("tabpanel")).to_contain_text("# pip install openai")
    run(shop, tmp_path, key, shown_call(page, 1))
    expect(page.locator("#first-call")).to_contain_text("Received: your first call.")
    with reading(shop.engine) as connection:
        organization = find_organization(connection, "Engines")
    until(lambda: load(shop, organization.id).held == 0, "the hold to end")
    charge = NANO - load(shop, organization.id).balance
    assert charge > 0
    expect(page.locator('[data-figure="cost"]')).to_have_text(f"${format_amount(charge)}")
    expect(page.locator("#key")).to_have_text(key)  # the rest of the page was left alone
    page.get_by_role("link", name="See it in the usage").press("Enter")
    page.wait_for_url("**/portal/usage")
    expect(page.locator('[data-figure="requests"]')).to_have_text("1")
    expect(page.locator('[data-figure="cost"]')).to_have_text(f"${format_amount(charge)}")
    expect(page.get_by_role("link", name="Start", exact=True)).to_have_count(0)


def load(shop, org):
    with reading(shop.engine) as connection:
        return load_wallet(connection, org)


def test_without_scripts_a_reload_says_that_the_call_came(shop, visit, tmp_path):
    page = visit(java_script_enabled=False)
    fill(page, "plain")
    key = make_key(page)
    run(shop, tmp_path, key, shown_call(page, 1))
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_text("Received: your first call.")).to_be_visible()
    assert key not in page.content()


def test_the_key_is_copied_and_a_reload_neither_shows_it_nor_makes_another(visit, shop):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    fill(page, "copy")
    key = make_key(page)
    page.locator(".secret").get_by_role("button", name="Copy").click()
    page.locator(".secret").get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == key
    page.reload()  # the form is sent again
    assert key not in page.content()
    expect(page.get_by_text("1 key is in use.")).to_be_visible()


@pytest.mark.parametrize("locale", LOCALES)
def test_no_page_is_wider_than_its_window(visit, locale):
    page = visit("/signup", locale=locale, color_scheme="dark")
    assert too_wide(page) == []
    fill(page, f"a.rather.long.name.of.{locale}")
    assert too_wide(page) == []
    make_key(page)
    assert too_wide(page) == []
    expect(page.locator("html")).to_have_attribute("lang", {"en-US": "en", "zh-CN": "zh-Hans"}[locale])


@pytest.mark.parametrize(("peer", "scheme"), [(PROXY, "https"), ("127.0.0.3", "http")])
def test_behind_a_trusted_proxy_pages_know_how_the_visitor_came(shop, peer, scheme):
    """The same header decides whose tries are counted, and whether cookies are bound to the host."""
    line = HTTPConnection(*shop.address, timeout=PATIENCE, source_address=(peer, 0))
    line.request(
        "GET", "/", headers={"host": "shop.example", "x-forwarded-proto": "https", "x-forwarded-for": "1.2.3.4"}
    )
    page = line.getresponse().read().decode()
    line.close()
    assert f"{scheme}://shop.example/v1" in page
