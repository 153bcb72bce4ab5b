"""The public pages in a real browser: models are filtered, ticked, compared and reckoned, with scripts and without."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from stage.browser import window
from stage.pages import CHAT, DEMO, Site

from puyun.catalog.model import Kind, Model, Tier

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MORE = [Model(name=f"more-{number}", kind=Kind.CHAT, context_length=64_000) for number in range(4)]


def heads(page: Page) -> list[str]:
    return page.locator(".compare-table").first.locator("thead a").all_inner_texts()


def test_models_are_filtered_ticked_compared_and_reckoned(tmp_path: Path, browser):
    site = Site(tmp_path)
    site.prices.models.extend(MORE)
    for model in MORE:
        site.prices.set(model, Tier.FLEX, "input", "1")
        site.prices.set(model, Tier.FLEX, "output", "2")
    with site.serving() as address:
        with window(browser, address) as page:
            page.locator("select[name=context]").select_option("32000")
            expect(page.locator("#prices tbody .model")).to_have_count(5)
            expect(page).to_have_url(re.compile("context=32000"))
            for model in (CHAT, *MORE[:3]):
                page.locator(f'.pick[value="{model.name}"]').check()
            last = page.locator(f'.pick[value="{MORE[3].name}"]')
            expect(last).to_be_disabled()
            site.prices.set(CHAT, Tier.FLEX, "input", "7.77")
            expect(page.locator('#prices [data-meter="input"][value="7.77"]')).to_be_visible()
            expect(page.locator(".pick:checked")).to_have_count(4)  # what was ticked outlives the new list
            expect(last).to_be_disabled()
            page.locator("#compare button").click()
            page.wait_for_url("**/compare*")
            assert sorted(heads(page)) == sorted([CHAT.name, *(model.name for model in MORE[:3])])
            page.locator("[name=calls]").fill("10")
            page.locator("[name=calls]").press("Enter")
            expect(page.locator('.cost-table [data-tier="flex"] .figure').first).to_contain_text("$3.8472")  # 300 calls
        with window(browser, address, java_script_enabled=False) as plain:
            for model in (CHAT, DEMO):
                plain.locator(f'.pick[value="{model.name}"]').check()
            plain.locator("#compare button").click()
            plain.wait_for_url("**/compare*")
            assert heads(plain) == [CHAT.name, DEMO.name]
    site.close()
