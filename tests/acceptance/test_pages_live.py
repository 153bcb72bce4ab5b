"""The pages of a whole server in a real browser: a price that is set and a call that is paid show by themselves."""

import pytest
from playwright.sync_api import sync_playwright
from stage.catalogue import CHANGING
from stage.pages import FLAGS, PASSWORD
from stage.platform import Platform

from puyun.identity.model import Membership, Role
from puyun.kit.money import format_amount
from puyun.storage.engine import writing
from puyun.storage.identity import create_user, set_membership
from puyun.system.clock import SystemClock
from puyun.system.passwords import hash_password

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def page():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_context(locale="en-US").new_page()
        page.set_default_timeout(20_000)
        yield page
        browser.close()


def test_a_price_set_by_command_reaches_an_open_page(platform: Platform, page):
    """A meter that no other test calls."""
    page.goto(platform.base_url)
    page.wait_for_selector("body.is-live")
    platform.cli("price", "set", CHANGING, "flex", "audio", "7.77")
    cell = page.wait_for_selector(f'[data-model="{CHANGING}"][data-tier="flex"] [data-meter="audio"]')
    assert cell.inner_text() == "$7.77"
    assert platform.get("/api/prices")["revision"] >= 1


def test_what_calls_cost_is_what_the_usage_page_says(platform: Platform, page):
    account = platform.account("1.00")
    with writing(platform.engine) as connection:
        now = SystemClock().now()
        user = create_user(connection, f"{account.number}@example.com", hash_password(PASSWORD), now=now)
        set_membership(connection, Membership(org=account.number, user=user.id, role=Role.OWNER))
    client = platform.client(account)
    answers = [
        client.chat.completions.with_raw_response.create(model="mock", messages=[{"role": "user", "content": "Hello"}])
        for _ in range(3)
    ]
    wallet = platform.settled_wallet(account)
    charge = sum(record["charge"] for record in platform.records(account))
    assert len(answers) == 3
    assert charge > 0
    page.goto(platform.base_url + "/login")
    page.get_by_label("E-mail address").fill(f"{account.number}@example.com")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/portal/usage")
    assert page.locator('[data-figure="requests"]').inner_text() == "3"
    assert page.locator('[data-figure="cost"]').inner_text() == f"${format_amount(charge)}"
    assert page.locator('tfoot [data-field="charge"]').inner_text() == f"${format_amount(charge)}"
    assert page.locator('[data-figure="available"]').inner_text() == f"${format_amount(wallet.available)}"
    assert page.locator("tbody [data-label] th").all_inner_texts() == ["mock"]
