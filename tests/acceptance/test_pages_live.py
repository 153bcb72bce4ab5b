"""The pages of a whole server in a real browser: a price that is set and a call that is paid show by themselves."""

import pytest
from playwright.sync_api import expect
from stage.browser import window
from stage.catalogue import CHANGING
from stage.platform import Platform

from puyun.kit.money import format_amount

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_price_set_by_command_reaches_an_open_page(platform: Platform, browser):
    """A meter that no other test calls."""
    with window(browser, platform.base_url) as page:
        page.wait_for_selector("body.is-live")
        platform.cli("price", "set", CHANGING, "flex", "audio", "7.77")
        cell = page.locator(f'[data-model="{CHANGING}"][data-tier="flex"] [data-meter="audio"]')
        expect(cell).to_have_text("$7.77")
        assert platform.get("/api/prices")["revision"] >= 1


def test_what_calls_cost_is_what_the_usage_page_says(platform: Platform, browser):
    account = platform.account("1.00")
    client = platform.client(account)
    answers = [
        client.chat.completions.with_raw_response.create(model="mock", messages=[{"role": "user", "content": "Hello"}])
        for _ in range(3)
    ]
    wallet = platform.settled_wallet(account)
    charge = sum(record["charge"] for record in platform.records(account))
    assert len(answers) == 3
    assert charge > 0
    with window(browser, platform.base_url, "/portal/usage", email=platform.person(account)) as page:
        expect(page.locator('[data-figure="requests"]')).to_have_text("3")
        expect(page.locator('[data-figure="cost"]')).to_have_text(f"${format_amount(charge)}")
        expect(page.locator('tfoot [data-field="charge"]')).to_have_text(f"${format_amount(charge)}")
        expect(page.locator('[data-figure="available"]')).to_have_text(f"${format_amount(wallet.available)}")
        expect(page.locator("tbody [data-label] th")).to_have_text(["mock"])
