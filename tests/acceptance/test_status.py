"""The status page in a real browser, and on a running platform: what is shown is what happened, while it is open."""

import msgspec
import pytest
from playwright.sync_api import expect
from sqlalchemy import insert
from stage.browser import LOCALES, too_wide, window
from stage.pages import CHAT, Site
from till import record

from puyun.catalog.model import Tier
from puyun.kit.clock import SECOND, ManualClock
from puyun.ledger.hold import Status
from puyun.storage.engine import writing
from puyun.storage.ledger.inbox import post_of
from puyun.storage.service import tables
from puyun.storage.service.adding import add_all_up
from puyun.system.clock import SystemClock

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAGE = "/status"
WAIT = '[data-model="gpt-4o"][data-tier="test"] [data-figure="p50"]'


@pytest.fixture
def site(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(SystemClock().now()))
    yield site
    site.close()


@pytest.fixture
def address(site):
    with site.serving() as address:
        yield address


def called(site: Site, model: int, *, good: int = 0, bad: int = 0, **times: int) -> None:
    made = msgspec.structs.replace(record(7, 1, 5, tier=Tier.TEST), model=model, **times)
    failed = msgspec.structs.replace(made, status=Status.FAILED, error="upstream_error")
    with writing(site.engine) as connection:
        row = {"at": site.clock.now(), "content": post_of([made] * good + [failed] * bad, {})}
        connection.execute(insert(tables.tally_inbox), [row])
    add_all_up(site.engine)


def test_an_open_page_follows(site, address, browser):
    """By itself, without being loaded again, and without moving who reads it."""
    with window(browser, address, "about:blank") as page:
        page.clock.install()
        page.goto(PAGE)
        expect(page.locator(WAIT)).to_have_text("–")
        page.evaluate("window.kept = true")
        page.evaluate("window.scrollTo(0, 120)")
        called(site, site.models()[CHAT.name], good=3, queue_ms=4000)
        site.clock.advance(15 * SECOND)
        page.clock.run_for(15_000)
        page.locator(WAIT, has_text=" s").wait_for()
        assert page.evaluate("window.kept")
        assert page.evaluate("window.scrollY") == 120
        called(site, 1, bad=1)
        site.clock.advance(15 * SECOND)
        page.clock.run_for(15_000)
        page.get_by_role("heading", name="Days that were not wholly good").wait_for()


def test_an_open_home_page_follows_too(site, address, browser):
    uptime = '#tier-levels .test[data-figure="uptime"]'
    with window(browser, address, "about:blank") as page:
        page.clock.install()
        page.goto("/")
        expect(page.locator(uptime)).to_have_text("no traffic yet")
        page.evaluate("window.kept = true")
        called(site, site.models()[CHAT.name], good=3, bad=1, queue_ms=4000)
        site.clock.advance(15 * SECOND)
        page.clock.run_for(15_000)
        expect(page.locator(uptime)).to_have_text("75.00%")
        expect(page.locator("#tier-levels tr")).to_have_count(3)
        assert page.evaluate("window.kept")


def test_it_fits(site, address, browser):
    called(site, site.models()[CHAT.name], good=2000, bad=3, queue_ms=119_000, ttft_ms=119_900)
    for locale in LOCALES:
        with window(browser, address, PAGE, locale=locale) as page:
            assert too_wide(page, widths=(320, 390, 768, 1280)) == []
            expect(page.locator(WAIT)).to_be_visible()


def test_it_works_without_scripts_and_in_the_dark(site, address, browser):
    called(site, site.models()[CHAT.name], good=99, bad=1, queue_ms=4000)
    with window(browser, address, PAGE, java_script_enabled=False, color_scheme="dark") as page:
        expect(page.locator(f'{WAIT.partition(" ")[0]} [data-figure="available"]')).to_have_text("99.00%")
        page.get_by_text("1 day", exact=True).click()
        expect(page.get_by_text("99.00% good: 1 of 100 calls were bad")).to_be_visible()
        expect(page.get_by_role("img", name="99.00% good calls in 90 days")).to_be_visible()
        page.get_by_role("contentinfo").get_by_role("link", name="Status").click()
        assert page.url.endswith("/status")
