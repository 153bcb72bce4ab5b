"""The pages in a real browser: what is shown is what is true, stays true while it is open, and works without scripts."""

import re
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright
from stage.pages import CHAT, DEMO, EMBEDDING, FLAGS, PASSWORD, Site
from stage.waiting import PATIENCE

from puyun.catalog.model import Tier
from puyun.kit.money import NANO

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

INPUT = '[data-model="gpt-4o"][data-tier="flex"] [data-meter="input"]'
DARK, PAPER = "rgb(16, 19, 21)", "rgb(251, 250, 247)"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def address(site):
    with site.serving() as address:
        yield address


class Visit:
    """A browser window that writes down what a person would not see: errors, and requests to anybody else."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(base_url=address, **{"locale": "en-US", **options})
        self.context.set_default_timeout(PATIENCE * 1000)
        self.page = self.context.new_page()
        self.faults = []
        self.page.on("console", lambda message: message.type == "error" and self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: request.url.startswith(address) or self.faults.append(request.url))

    def models(self):
        cells = self.page.locator("#prices [data-model]")
        return sorted(set(cells.evaluate_all("rows => rows.map(row => row.dataset.model)")))

    def overflow(self):
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    def background(self):
        return self.page.evaluate("getComputedStyle(document.body).backgroundColor")


@pytest.fixture
def visit(browser, address):
    opened = []

    @contextmanager
    def open_window(path="/", **options):
        window = Visit(browser, address, **options)
        opened.append(window)
        window.page.goto(path)
        yield window
        window.context.close()
        assert window.faults == []

    yield open_window
    for window in opened:
        window.context.close()


def sign_in(window, email):
    window.page.get_by_label("E-mail address").fill(email)
    window.page.get_by_label("Password").fill(PASSWORD)
    window.page.locator("main").get_by_role("button", name="Sign in").click()
    window.page.wait_for_url("**/portal/usage*")


def test_a_change_of_price_reaches_an_open_page(site, visit):
    with visit() as window:
        cell = window.page.locator(INPUT)
        assert cell.inner_text() == "$2.50"
        window.page.wait_for_selector("body.is-live")
        site.prices.set(CHAT, Tier.FLEX, "input", "2.65")
        window.page.wait_for_selector(f'{INPUT}[value="2.65"]')
        assert cell.inner_text() == "$2.65"
        assert "changed" in cell.get_attribute("class")
        site.prices.set(CHAT, Tier.FLEX, "input", "2.70")
        window.page.wait_for_selector(f'{INPUT}[value="2.70"]')


def test_a_new_price_keeps_the_filter_and_what_is_being_typed(site, visit):
    with visit("/?kind=chat") as window:
        window.page.wait_for_selector("body.is-live")
        window.page.get_by_label("Search models").fill("gpt")
        window.page.wait_for_url("**q=gpt*")
        site.prices.set(CHAT, Tier.FLEX, "input", "3")
        window.page.wait_for_selector(f'{INPUT}[value="3.00"]')
        assert window.models() == [CHAT.name]
        assert window.page.get_by_label("Search models").input_value() == "gpt"


def test_filters_and_sorting_change_the_list_and_the_address(visit):
    with visit() as window:
        page = window.page
        page.get_by_label("Kind").select_option("embedding")
        page.wait_for_url("**kind=embedding*")
        assert window.models() == [EMBEDDING.name]
        page.get_by_label("Kind").select_option("")
        page.wait_for_url(lambda url: "kind=embedding" not in url)
        page.wait_for_selector(f'[data-model="{CHAT.name}"]')
        page.locator(".segments label", has_text="Enterprise").click()
        page.wait_for_url("**tier=enterprise*")
        page.wait_for_selector('[data-tier="flex"]', state="detached")
        assert window.models() == [CHAT.name, DEMO.name]
        page.get_by_role("link", name="Input", exact=True).click()
        page.wait_for_selector('[aria-sort="ascending"] >> text=Input')
        assert "sort=input" in page.url
        assert "tier=enterprise" in page.url
        page.get_by_label("Search models").fill("gpt")
        page.wait_for_url("**q=gpt*")
        assert "sort=input" in page.url


def test_the_slash_key_goes_to_the_search(visit):
    with visit() as window:
        window.page.keyboard.press("/")
        assert window.page.evaluate("document.activeElement.id") == "search"


def test_the_quickstart_is_tabs_that_the_keyboard_moves(visit):
    with visit() as window:
        tabs = window.page.get_by_role("tab")
        assert tabs.all_inner_texts() == ["curl", "Python", "JavaScript"]
        tabs.first.focus()
        window.page.keyboard.press("ArrowRight")
        panel = window.page.get_by_role("tabpanel")
        assert panel.count() == 1
        assert "from openai import OpenAI" in panel.inner_text()


def test_everything_can_be_read_and_filtered_without_scripts(site, visit):
    organization = site.organization("Engines")
    site.person("ada@example.com", organization)
    with visit(java_script_enabled=False) as window:
        page = window.page
        assert page.locator(INPUT).inner_text() == "$2.50"
        for title in ("curl", "Python", "JavaScript"):
            assert page.get_by_role("heading", name=title, exact=True).is_visible()
        page.get_by_label("Kind").select_option("embedding")
        page.get_by_role("button", name="Apply").click()
        page.wait_for_url("**kind=embedding*")
        assert page.locator("#prices tbody").count() == 1
        page.get_by_role("link", name="中文").click()
        assert page.get_by_role("heading", name="价格", exact=True).is_visible()
        page.get_by_role("link", name="English").click()
        page.goto("/portal/usage")
        sign_in(window, "ada@example.com")
        assert page.get_by_role("heading", name="No calls in this period").is_visible()
        page.get_by_role("button", name="Sign out").click()
        assert page.get_by_role("link", name="Sign in").first.is_visible()


def test_the_usage_page_adds_up_to_the_rollups(site, visit):
    organization = site.organization("Engines")
    site.person("ada@example.com", organization)
    key, models = site.key(organization, "ci"), site.models()
    now = site.clock.now()
    site.used(key, models[CHAT.name], Tier.FLEX, at=now, charge=8_755_000, calls=3, input=1000, output=200)
    site.used(key, models[DEMO.name], Tier.TEST, at=now, charge=2 * NANO, calls=2, input=9_000_000)
    with visit("/login") as window:
        sign_in(window, "ada@example.com")
        page = window.page
        charges = page.locator('tbody [data-field="charge"]').all_inner_texts()
        assert charges == ["$2.00", "$0.008755"]
        assert page.locator('tfoot [data-field="charge"]').inner_text() == "$2.008755"
        assert page.locator('[data-figure="cost"]').inner_text() == "$2.008755"
        page.get_by_role("link", name="Tier", exact=True).click()
        assert page.locator("tbody [data-field=charge]").all_inner_texts() == ["$2.00", "$0.008755"]
        assert page.locator(".usage-table tbody th").all_inner_texts() == ["Test", "Flex"]
        with page.expect_download() as download:
            page.get_by_role("link", name="CSV").click()
        assert "flex,3,0,1000,0,0,0,0,0,200,0,0,1200,0.008755,USD" in download.value.path().read_text()


def test_the_language_follows_the_browser_and_then_the_switch(visit):
    with visit(locale="zh-CN") as window:
        page = window.page
        assert page.locator("html").get_attribute("lang") == "zh-Hans"
        assert page.get_by_role("heading", name="价格", exact=True).is_visible()
        page.get_by_role("link", name="English").click()
        assert page.get_by_role("heading", name="Prices", exact=True).is_visible()
        page.reload()
        assert page.locator("html").get_attribute("lang") == "en"


def test_the_appearance_follows_the_system_and_then_the_switch(visit):
    with visit(color_scheme="dark") as window:
        page = window.page
        assert window.background() == DARK
        page.locator(".themes").hover()
        page.get_by_role("link", name="light").click()
        assert window.background() == PAPER
        page.reload()
        assert window.background() == PAPER
    with visit(color_scheme="light") as window:
        assert window.background() == PAPER


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_no_page_is_wider_than_its_window(site, visit, width, locale):
    organization = site.organization("An organization with a rather long name")
    site.person("ada.augusta.lovelace@analytical-engines.example", organization)
    key, models = site.key(organization, "a key with a name of some length"), site.models()
    counts = {"calls": 10**9, "input": 10**12, "cached_input": 10**12, "output": 10**12, "reasoning": 10**12}
    site.used(key, models[CHAT.name], Tier.FLEX, at=site.clock.now(), charge=10**15 + 1, **counts)
    site.prices.set(CHAT, Tier.FLEX, "input", "1234.567891", start=site.clock.now() + 10**13)
    with visit("/", viewport={"width": width, "height": 800}, locale=locale) as window:
        assert window.overflow() <= 0
        for path in (f"/models/{CHAT.name}", "/login"):
            window.page.goto(path)
            assert window.overflow() <= 0, path
        window.page.locator("[name=email]").fill("ada.augusta.lovelace@analytical-engines.example")
        window.page.locator("[name=password]").fill(PASSWORD)
        window.page.locator("main button").click()
        window.page.wait_for_url("**/portal/usage")
        for by in ("model", "key", "day"):
            window.page.goto(f"/portal/usage?by={by}")
            assert window.overflow() <= 0, by


def test_a_page_that_is_not_there_looks_like_the_others(browser, address):
    window = Visit(browser, address)
    answer = window.page.goto("/nothing/here")
    assert answer.status == 404
    assert window.page.get_by_role("heading", name="There is nothing at this address").is_visible()
    assert re.search("req_[0-9a-f]{24}", window.page.locator("main").inner_text())
    window.context.close()


def test_an_injected_script_does_not_run(visit):
    with visit("/?q=<img src=x onerror=alert(1)>") as window:
        assert window.page.evaluate("document.querySelectorAll('#prices img').length") == 0
        refused = window.page.evaluate(
            "new Promise((found) => {"
            "  document.addEventListener('securitypolicyviolation', (event) => found(event.effectiveDirective));"
            "  const script = document.createElement('script'); script.textContent = 'window.ran = true';"
            "  document.body.append(script); })"
        )
        assert refused == "script-src-elem"
        assert not window.page.evaluate("window.ran")
        window.faults.clear()  # the refusal itself is reported on the console
