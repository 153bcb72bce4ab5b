"""The playground in a real browser against a real server: what it shows is what the receipt says."""

import pytest
from playwright.sync_api import expect
from stage.browser import too_wide, window as open_window
from stage.platform import Platform

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAGE = "/portal/playground"


def window(browser, platform, account, path=PAGE, **options):
    """The page of an owner who has just signed in."""
    return open_window(browser, platform.base_url, path, email=platform.person(account), **options)


def say(page, text):
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def last(page):
    return page.locator(".turn").last


def test_a_chat_streams_costs_what_its_receipt_says_and_remembers(platform: Platform, browser):
    account = platform.account()
    with window(browser, platform, account, f"{PAGE}?model=mock&tier=flex") as page:
        say(page, "one two three")
        receipt = last(page).get_by_role("link", name="Receipt")
        expect(receipt).to_be_visible()
        expect(page.locator("#stop")).to_be_hidden()
        expect(page.locator(".turn")).to_have_count(2)
        assert last(page).locator(".text").inner_text() != ""
        cost = last(page).locator(".bill span").first.inner_text()
        number = receipt.get_attribute("href").rpartition("/")[2].partition("?")[0]
        said = platform.get(f"/v1/receipts/{number}", account.key)
        assert cost == f"Cost ${said['charge']}"
        assert (said["status"], said["tier_served"]) == ("completed", "flex")
        say(page, "and once more")
        expect(page.locator(".bill")).to_have_count(2)
        code = page.locator("#as-code").text_content()
        assert [code.count(f'"role": "{role}"') for role in ("user", "assistant")] == [2, 2]
        page.get_by_role("button", name="Clear").click()
        expect(page.locator(".turn")).to_have_count(0)


def test_an_answer_can_be_stopped_and_what_came_is_charged(platform: Platform, browser):
    account = platform.account()
    with window(browser, platform, account, f"{PAGE}?model=mock-chunk-delay-20-tokens-5000") as page:
        page.get_by_label("Tokens at most").fill("6000")
        say(page, "a long one")
        expect(last(page).locator(".text")).not_to_be_empty()
        page.get_by_role("button", name="Stop").click()
        expect(last(page).locator(".fault")).to_contain_text("Stopped.")
        expect(page.get_by_role("button", name="Send")).to_be_enabled()


def test_a_refusal_says_what_the_api_says_and_the_question_can_be_asked_again(platform: Platform, browser):
    account = platform.account("0")
    with window(browser, platform, account, f"{PAGE}?model=mock") as page:
        expect(page.locator(".banner")).to_contain_text("There is no credit to call with.")
        say(page, "hello")
        expect(last(page).locator(".fault")).to_contain_text("402 insufficient_credit")
        assert ["402" in fault for fault in page.faults] == [True]
        page.faults.clear()


def test_the_code_is_the_call_that_was_made(platform: Platform, browser):
    account = platform.account()
    with window(browser, platform, account, f"{PAGE}?model=mock&tier=test") as page:
        page.get_by_label("System message").fill("Say it's fine.")
        page.get_by_label("Temperature").fill("0.5")
        page.get_by_text("As code").click()
        code = page.locator("#as-code").inner_text()
        for part in ('"model": "mock"', '"service_tier": "test"', '"temperature": 0.5', "Say it'\\''s fine."):
            assert part in code


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_it_fits_every_window(platform: Platform, browser, locale):
    with window(browser, platform, platform.account(), locale=locale) as page:
        assert too_wide(page) == []
