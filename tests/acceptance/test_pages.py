"""The pages in a real browser: what is shown is what is true, stays true while it is open, and works without scripts."""

import re

import pytest
from playwright.sync_api import expect
from stage.browser import LOCALES, sign_in, too_wide, window
from stage.pages import CHAT, DEMO, EMBEDDING, Site
from stage.waiting import until

from puyun.catalog.model import Tier
from puyun.kit.money import NANO

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

INPUT = '[data-model="gpt-4o"][data-tier="flex"] [data-meter="input"]'
DARK, PAPER = "rgb(16, 19, 21)", "rgb(251, 250, 247)"


@pytest.fixture
def site(tmp_path, migrated):
    site = Site(tmp_path, migrated)
    yield site
    site.close()


@pytest.fixture
def address(site):
    with site.serving() as address:
        yield address


@pytest.fixture
def visit(browser, address):
    return lambda path="/", **options: window(browser, address, path, **options)


def models(page):
    return sorted(set(page.locator("#prices [data-model]").evaluate_all("rows => rows.map(row => row.dataset.model)")))


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_a_change_of_price_reaches_an_open_page(site, visit):
    with visit() as page:
        cell = page.locator(INPUT)
        expect(cell).to_have_text("$2.50")
        page.wait_for_selector("body.is-live")
        site.prices.set(CHAT, Tier.FLEX, "input", "2.65")
        page.wait_for_selector(f'{INPUT}[value="2.65"]')
        expect(cell).to_have_text("$2.65")
        expect(cell).to_have_class(re.compile("changed"))
        site.prices.set(CHAT, Tier.FLEX, "input", "2.70")
        page.wait_for_selector(f'{INPUT}[value="2.70"]')


def test_a_new_price_keeps_the_filter_and_what_is_being_typed(site, visit):
    with visit("/?kind=chat") as page:
        page.wait_for_selector("body.is-live")
        page.get_by_label("Search models").fill("gpt")
        page.wait_for_url("**q=gpt*")
        site.prices.set(CHAT, Tier.FLEX, "input", "3")
        page.wait_for_selector(f'{INPUT}[value="3.00"]')
        assert models(page) == [CHAT.name]
        expect(page.get_by_label("Search models")).to_have_value("gpt")


def test_filters_and_sorting_change_the_list_and_the_address(visit):
    with visit() as page:
        page.get_by_label("Kind").select_option("embedding")
        page.wait_for_url("**kind=embedding*")
        until(lambda: models(page) == [EMBEDDING.name], "the one that is left")
        page.get_by_label("Kind").select_option("")
        page.wait_for_url(lambda url: "kind=embedding" not in url)
        page.wait_for_selector(f'[data-model="{CHAT.name}"]')
        page.locator(".segments label", has_text="Enterprise").click()
        page.wait_for_url("**tier=enterprise*")
        page.wait_for_selector('[data-tier="flex"]', state="detached")
        until(lambda: models(page) == [CHAT.name, DEMO.name], "those of the tier")
        page.get_by_role("link", name="Input", exact=True).click()
        page.wait_for_selector('[aria-sort="ascending"] >> text=Input')
        assert "sort=input" in page.url
        assert "tier=enterprise" in page.url
        page.get_by_label("Search models").fill("gpt")
        page.wait_for_url("**q=gpt*")
        assert "sort=input" in page.url


def test_the_slash_key_goes_to_the_search(visit):
    with visit() as page:
        page.keyboard.press("/")
        expect(page.locator("#search")).to_be_focused()


def test_the_quickstart_is_tabs_that_the_keyboard_moves(visit):
    with visit() as page:
        tabs = page.get_by_role("tab")
        expect(tabs).to_have_text(["curl", "Python", "JavaScript"])
        tabs.first.focus()
        page.keyboard.press("ArrowRight")
        panel = page.get_by_role("tabpanel")
        expect(panel).to_have_count(1)
        expect(panel).to_contain_text("from openai import OpenAI")


def test_everything_can_be_read_and_filtered_without_scripts(site, visit):
    organization = site.organization("Engines")
    site.person("ada@example.com", organization)
    with visit(java_script_enabled=False) as page:
        expect(page.locator(INPUT)).to_have_text("$2.50")
        for title in ("curl", "Python", "JavaScript"):
            expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible()
        page.get_by_label("Kind").select_option("embedding")
        page.get_by_role("button", name="Apply").click()
        page.wait_for_url("**kind=embedding*")
        expect(page.locator("#prices tbody")).to_have_count(1)
        page.get_by_role("link", name="中文").click()
        expect(page.get_by_role("heading", name="价格", exact=True)).to_be_visible()
        page.get_by_role("link", name="English").click()
        page.goto("/portal/usage")
        sign_in(page, "ada@example.com")
        expect(page.get_by_role("heading", name="No calls in this period")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("link", name="Sign in").first).to_be_visible()


def test_the_usage_page_adds_up_to_the_rollups(site, visit):
    organization = site.organization("Engines")
    site.person("ada@example.com", organization)
    key, models = site.key(organization, "ci"), site.models()
    now = site.clock.now()
    site.used(key, models[CHAT.name], Tier.FLEX, at=now, charge=8_755_000, calls=3, input=1000, output=200)
    site.used(key, models[DEMO.name], Tier.TEST, at=now, charge=2 * NANO, calls=2, input=9_000_000)
    with visit("/login") as page:
        sign_in(page, "ada@example.com")
        expect(page.locator('tbody [data-field="charge"]')).to_have_text(["$2.00", "$0.008755"])
        expect(page.locator('tfoot [data-field="charge"]')).to_have_text("$2.008755")
        expect(page.locator('[data-figure="cost"]')).to_have_text("$2.008755")
        page.get_by_role("link", name="Tier", exact=True).click()
        expect(page.locator("tbody [data-field=charge]")).to_have_text(["$2.00", "$0.008755"])
        expect(page.locator(".usage-table tbody th")).to_have_text(["Test", "Flex"])
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        assert "flex,3,0,1000,0,0,0,0,0,200,0,0,1200,0.008755,USD" in download.value.path().read_text()


def test_the_language_follows_the_browser_and_then_the_switch(visit):
    with visit(locale="zh-CN") as page:
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
        expect(page.get_by_role("heading", name="价格", exact=True)).to_be_visible()
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("heading", name="Prices", exact=True)).to_be_visible()
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "en")


def test_the_appearance_follows_the_system_and_then_the_switch(visit):
    with visit(color_scheme="dark") as page:
        assert background(page) == DARK
        page.locator(".themes").hover()
        page.get_by_role("link", name="light").click()
        until(lambda: background(page) == PAPER, "the light one")
        page.reload()
        assert background(page) == PAPER
    with visit(color_scheme="light") as page:
        assert background(page) == PAPER


@pytest.mark.parametrize("locale", LOCALES)
def test_no_page_is_wider_than_its_window(site, visit, locale):
    organization = site.organization("An organization with a rather long name")
    email = "ada.augusta.lovelace@analytical-engines.example"
    site.person(email, organization)
    key, models = site.key(organization, "a key with a name of some length"), site.models()
    counts = {"calls": 10**9, "input": 10**12, "cached_input": 10**12, "output": 10**12, "reasoning": 10**12}
    site.used(key, models[CHAT.name], Tier.FLEX, at=site.clock.now(), charge=10**15 + 1, **counts)
    site.prices.set(CHAT, Tier.FLEX, "input", "1234.567891", start=site.clock.now() + 10**13)
    with visit("/", locale=locale) as page:
        assert too_wide(page, "/", f"/models/{CHAT.name}", "/login") == []
        sign_in(page, email)
        assert too_wide(page, *(f"/portal/usage?by={by}" for by in ("model", "key", "day"))) == []


def test_a_page_that_is_not_there_looks_like_the_others(visit):
    with visit() as page:
        assert page.goto("/nothing/here").status == 404
        expect(page.get_by_role("heading", name="There is nothing at this address")).to_be_visible()
        assert re.search("req_[0-9a-f]{24}", page.locator("main").inner_text())
        page.faults.clear()  # the console says 404 too


def test_an_injected_script_does_not_run(visit):
    with visit("/?q=<img src=x onerror=alert(1)>") as page:
        assert page.evaluate("document.querySelectorAll('#prices img').length") == 0
        refused = page.evaluate(
            "new Promise((found) => {"
            "  document.addEventListener('securitypolicyviolation', (event) => found(event.effectiveDirective));"
            "  const script = document.createElement('script'); script.textContent = 'window.ran = true';"
            "  document.body.append(script); })"
        )
        assert refused == "script-src-elem"
        assert not page.evaluate("window.ran")
        page.faults.clear()  # the refusal itself is reported on the console
