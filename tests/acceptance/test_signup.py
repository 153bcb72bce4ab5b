"""From nothing to the first call, in a real browser against a whole server: without scripts, on a phone, by a proxy."""

from contextlib import ExitStack
from http.client import HTTPConnection

import pytest
from playwright.sync_api import expect
from stage.browser import LOCALES, too_wide, window
from stage.newcomer import PROXY, run_shown, shown_call
from stage.pages import PASSWORD
from stage.waiting import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


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


def test_without_scripts_a_reload_says_that_the_call_came(shop, visit, tmp_path):
    page = visit(java_script_enabled=False)
    fill(page, "plain")
    key = make_key(page)
    run_shown(shop, tmp_path, key, shown_call(page, 1))
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
