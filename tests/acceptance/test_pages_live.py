"""The pages of a whole server in a real browser: a price that is set shows by itself."""

import pytest
from playwright.sync_api import expect
from stage.browser import window
from stage.catalogue import CHANGING
from stage.platform import Platform

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_price_set_by_command_reaches_an_open_page(platform: Platform, browser):
    """A meter that no other test calls."""
    with window(browser, platform.base_url) as page:
        page.wait_for_selector("body.is-live")
        platform.cli("price", "set", CHANGING, "flex", "audio", "7.77")
        cell = page.locator(f'[data-model="{CHANGING}"][data-tier="flex"] [data-meter="audio"]')
        expect(cell).to_have_text("$7.77")
        assert platform.get("/api/prices")["revision"] >= 1
