"""Receipts and Billing in a real browser: a call shows with the amounts that the API and the command line tell."""

import json

import pytest
from playwright.sync_api import expect
from stage.browser import LOCALES, too_wide, window
from stage.platform import Platform

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LOG, BILLING = "/portal/receipts", "/portal/billing"


@pytest.fixture(scope="module")
def person(platform: Platform):
    """An account whose owner may sign in: (account, e-mail)."""
    account = platform.account("3.00")
    return account, platform.person(account)


def called(platform, account):
    """One call; returns its request id."""
    with platform.client(account) as client:
        messages = [{"role": "user", "content": "one two three"}]
        return client.chat.completions.with_raw_response.create(model="mock", messages=messages).headers["x-request-id"]


def figure(page, name):
    return page.locator(f'[data-line="wallet"] [data-figure="{name}"]')


def test_a_call_becomes_a_receipt_and_moves_the_balance(platform: Platform, browser, person):
    account, email = person
    organization = account.organization.name
    with window(browser, platform.base_url, BILLING, email=email) as page:
        page.wait_for_selector("body.is-live")
        page.evaluate("window.before = true")
        before = figure(page, "balance").inner_text()
        request = called(platform, account)
        expect(figure(page, "balance")).not_to_have_text(before)
        expect(page.locator('[data-entry="usage"]')).to_have_count(1)
        expect(figure(page, "held")).to_have_text("$0.00")
        said = json.loads(platform.cli("balance", organization, "--json"))
        for name in ("balance", "available", "held"):
            expect(figure(page, name)).to_have_text(f"${said[name]}")
        receipt = platform.receipt(account, request)
        expect(page.locator('[data-entry="usage"] [data-figure="amount"]')).to_have_text(f"−${receipt['charge']}")
        assert page.evaluate("window.before"), "the page was loaded again"

        page.get_by_role("link", name="Receipts", exact=True).click()
        row = page.locator(f'[data-call="{request}"]')
        expect(row.locator('[data-field="charge"]')).to_have_text(f"${receipt['charge']}")
        row.get_by_role("link").click()
        page.wait_for_url(f"**{LOG}/{request}")
        for line in receipt["lines"]:
            cells = page.locator(f'tr[data-meter="{line["meter"]}"]')
            expect(cells.locator('[data-field="tokens"]')).to_have_text(f"{line['tokens']:,}")
            expect(cells.locator('[data-field="price"]')).to_have_text(f"${line['price_per_million']}")
            expect(cells.locator('[data-field="amount"]')).to_have_text(f"${line['amount']}")
        expect(page.locator('.sum [data-field="charge"]')).to_have_text(f"${receipt['charge']}")
        expect(page.locator('[data-field="balance"]')).to_have_text(f"${receipt['balance_after']}")
        expect(page.locator("[data-proof]")).to_have_attribute("data-proof", "genuine")
        with page.expect_download() as download:
            page.locator("main").get_by_role("link", name="JSON").click()
        assert json.loads(download.value.path().read_text()) == receipt


def test_a_statement_is_the_one_of_the_command_line(platform: Platform, browser, person):
    account, email = person
    with window(browser, platform.base_url, BILLING, email=email) as page:
        month = page.locator("[data-month]").first.get_attribute("data-month")
        asked = ("statement", account.organization.name, "--month", month)
        for kind, flag in (("CSV", "--csv"), ("JSON", "--json")):
            with page.expect_download() as download:
                page.locator("[data-month]").first.get_by_role("link", name=kind).click()
            assert download.value.path().read_text() == platform.cli(*asked, flag)
        page.locator("[data-month]").first.get_by_role("link", name=month).click()
        said = json.loads(platform.cli(*asked, "--json"))
        expect(page.locator('[data-row="closing"] .number')).to_have_text(f"${said['closing']['total']}")


def test_it_works_without_scripts_and_by_keyboard(platform: Platform, browser, person):
    account, email = person
    request = called(platform, account)
    with window(browser, platform.base_url, LOG, email=email, java_script_enabled=False) as page:
        page.get_by_label("State").select_option("completed")
        page.get_by_label("Model").select_option("mock")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**status=completed*")
        expect(page.locator(f'[data-call="{request}"]')).to_have_count(1)
        page.get_by_label("Request id").fill(request)
        page.get_by_role("button", name="Find").click()
        page.wait_for_url(f"**{LOG}/{request}")
        page.goto(BILLING)
        said = json.loads(platform.cli("balance", account.organization.name, "--json"))
        expect(figure(page, "balance")).to_have_text(f"${said['balance']}")
    with window(browser, platform.base_url, LOG, email=email) as page:
        page.get_by_label("State").select_option("failed")
        page.wait_for_url("**status=failed*")
        expect(page.locator("#log .empty")).to_be_visible()
        page.keyboard.press("Escape")
        page.locator("body").press("/")
        page.keyboard.type(request)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{LOG}/{request}")


@pytest.mark.parametrize("locale", LOCALES)
def test_no_page_is_wider_than_its_window(platform: Platform, browser, person, locale):
    account, email = person
    request = called(platform, account)
    with window(browser, platform.base_url, BILLING, email=email, locale=locale) as page:
        statement = page.locator("[data-month] a").first.get_attribute("href")
        assert too_wide(page, LOG, f"{LOG}/{request}", BILLING, statement) == []
