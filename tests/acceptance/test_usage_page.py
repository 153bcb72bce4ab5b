"""The Usage page in a real browser: its charts are drawn from its tables, and a filter holds for all of it."""

import re
from pathlib import Path
from zipfile import ZipFile

import pytest
import stage
from playwright.sync_api import expect
from stage.browser import window
from stage.pages import CHAT, DEMO, Site

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY
from puyun.kit.money import NANO

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

AXE = Path(stage.__file__).parent / "axe" / "axe.min.js"
EMAIL = "ada@example.com"
PAGE = "/portal/usage"


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    organization = site.organization("Engines")
    site.person(EMAIL, organization)
    models, now = site.models(), site.clock.now()
    key = site.key(organization, "=cmd()")
    site.used(key, models[CHAT.name], Tier.FLEX, at=now, charge=8_755_000, calls=3, failures=1, input=1000, output=200)
    site.used(key, models[DEMO.name], Tier.TEST, at=now - 2 * DAY, charge=2 * NANO, calls=2, input=9_000_000)
    yield site
    site.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_usage_is_filtered_drawn_and_taken_along(site, browser, scheme):
    with site.serving() as address, window(browser, address, PAGE, email=EMAIL, color_scheme=scheme) as page:
        expect(page.locator(".plot canvas")).to_have_count(3)
        page.evaluate(AXE.read_text("utf-8"))
        broken = page.evaluate(
            "axe.run().then((found) => found.violations.map((each) => [each.id, each.nodes[0].html]))"
        )
        assert broken == []
        page.locator("[data-plot=cost-plot-table] .u-over").hover(position={"x": 5, "y": 50})
        expect(page.locator("[data-plot=cost-plot-table] .u-legend")).to_contain_text("$0.00")
        page.locator("select[name=model]").select_option(CHAT.name)
        page.locator("select[name=zone]").select_option("Asia/Tokyo")
        page.get_by_role("button", name="Apply").press("Enter")
        page.wait_for_url("**model=gpt-4o*")
        expect(page.locator('[data-figure="cost"]')).to_have_text("$0.008755")
        expect(page.locator(".page-head")).to_contain_text("Asia/Tokyo")
        page.get_by_role("link", name="Key", exact=True).click()
        expect(page.locator(".usage-table tbody th")).to_contain_text("=cmd()")
        with page.expect_download() as download:
            page.get_by_role("link", name="XLSX").click()
        with ZipFile(download.value.path()) as book:
            sheet = book.read("xl/worksheets/sheet1.xml").decode()
        assert "<t>0.008755</t>" in sheet
        assert "<f>" not in sheet


DRAWN = (
    "window.drawn = []; const fill = CanvasRenderingContext2D.prototype.fillText; "
    "CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) { drawn.push(text); fill.call(this, text, ...rest); }"
)


def test_an_axis_of_tiny_costs_is_written_out(tmp_path, browser):
    site = Site(tmp_path)
    organization = site.organization("Engines")
    site.person(EMAIL, organization)
    site.used(site.key(organization), site.models()[CHAT.name], Tier.FLEX, at=site.clock.now(), charge=2_600, calls=1)
    with site.serving() as address, window(browser, address, PAGE, email=EMAIL) as page:
        page.add_init_script(DRAWN)
        page.reload()
        expect(page.locator(".plot canvas")).to_have_count(3)
        page.wait_for_function("drawn.includes('0.0000005')")
        texts = page.evaluate("drawn")
        assert "0" in texts
        assert [text for text in texts if re.search(r"\de-?\d", text)] == []
    site.close()
