"""The whole way of an organization in one window, against a running platform: from the home page to the last unit of its
bill. What each page shows is held against what the API, the command line and the database say.
"""

import csv
import json

import pytest
from playwright.sync_api import expect
from stage.browser import overflow, window
from stage.newcomer import run_shown, shown_call
from stage.pages import PASSWORD
from stage.platform import Account
from stage.waiting import until

from puyun.kit.money import NANO, format_amount, parse_amount
from puyun.storage.engine import reading
from puyun.storage.identity import find_organization

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ORGANIZATION = "Engines"
STREAMED = "mock-tokens-50"
"""What is called beside the model that the page proposes."""

PAGES = ("start", "usage", "keys", "limits", "receipts", "billing", "settings")


def figure(page, name, line=""):
    within = page.locator(f'[data-line="{line}"]') if line else page.locator("main")
    return within.locator(f'[data-figure="{name}"]')


def signed_up(page):
    """By keyboard, from the home page to the page of the first call."""
    page.locator("main").get_by_role("link", name="Sign up").press("Enter")
    page.wait_for_url("**/signup")
    expect(page.locator("[name=email]")).to_be_focused()
    for text in ("ada@example.com", PASSWORD, ORGANIZATION):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/portal/start")


def called_first(shop, page, folder):
    """The call that the page shows, copied; the page says that it has come, and what it cost. Returns the account."""
    page.get_by_role("button", name="Make the first key").press("Enter")
    key = page.locator("#key").inner_text()
    page.wait_for_selector("body.is-live")
    expect(page.locator("#first-call")).to_contain_text("Waiting for your first call…")
    page.get_by_role("tab", name="curl").press("ArrowRight")
    expect(page.locator("#snippet").get_by_role("tabpanel")).to_contain_text("# pip install openai")
    run_shown(shop, folder, key, shown_call(page, 1))
    expect(page.locator("#first-call")).to_contain_text("Received: your first call.")
    expect(page.locator("#key")).to_have_text(key)  # the rest of the page was left alone
    with reading(shop.engine) as connection:
        account = Account(find_organization(connection, ORGANIZATION), key)
    charge = NANO - shop.settled_wallet(account).balance
    assert charge > 0
    expect(figure(page, "cost")).to_have_text(f"${format_amount(charge)}")
    return account


def called_on(shop, account):
    """A whole answer and a stream, until nothing of them is open any more."""
    ask = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20}
    with shop.client(account) as client:
        client.chat.completions.create(model="mock", **ask)
        assert list(client.chat.completions.create(model=STREAMED, stream=True, **ask))
    until(lambda: len(shop.records(account)) == 3, "every call to be recorded")
    shop.settled_wallet(account)


def adds_up(shop, page, account):
    """The usage page is the sum of the receipts, each of which is the one of the API; the file is the page."""
    page.get_by_role("link", name="See it in the usage").press("Enter")
    page.wait_for_url("**/portal/usage")
    expect(page.get_by_role("link", name="Start", exact=True)).to_have_count(0)
    page.get_by_role("link", name="Receipts", exact=True).click()
    expect(page.locator("[data-call]")).to_have_count(3)
    rows = page.locator("[data-call]").evaluate_all(
        "rows => rows.map(row => [row.dataset.call, row.querySelector('[data-field=charge]').textContent.trim()])"
    )
    receipts = [shop.receipt(account, request) for request, _ in rows]
    assert [f"${receipt['charge']}" for receipt in receipts] == [shown for _, shown in rows]
    charge = sum(parse_amount(receipt["charge"]) for receipt in receipts)
    assert charge == sum(record["charge"] for record in shop.records(account))
    page.get_by_role("link", name="Usage", exact=True).click()
    expect(figure(page, "requests")).to_have_text("3")
    expect(figure(page, "cost")).to_have_text(f"${format_amount(charge)}")
    expect(page.locator('tfoot [data-field="charge"]')).to_have_text(f"${format_amount(charge)}")
    tokens = sum(sum(receipt["usage"].values()) for receipt in receipts)
    expect(figure(page, "tokens")).to_have_text(f"{tokens:,}")
    expect(figure(page, "available")).to_have_text(f"${format_amount(NANO - charge)}")
    taken_along(page)
    return charge


def taken_along(page):
    """Row by row, to the last unit."""
    shown = page.locator("tbody [data-label]").evaluate_all(
        """rows => rows.map(row => ['calls', 'input', 'output', 'tokens', 'charge']
            .map(name => row.querySelector(`[data-field=${name}]`).textContent.trim().replaceAll(',', '')))"""
    )
    labels = page.locator("tbody [data-label]").evaluate_all("rows => rows.map(row => row.dataset.label)")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(download.value.path().read_text("utf-8").splitlines()))
    columns = ("requests", "input", "output", "total_tokens", "cost")
    assert [row[next(iter(row))] for row in rows] == labels
    assert [[*(row[name] for name in columns[:4]), f"${row['cost']}"] for row in rows] == shown


def topped_up(shop, page, charge):
    """By a code that the operator made, while the page is open: the balance moves by itself."""
    page.get_by_role("link", name="Billing", exact=True).click()
    page.wait_for_selector("body.is-live")
    page.evaluate("window.before = true")
    expect(figure(page, "balance", "wallet")).to_have_text(f"${format_amount(NANO - charge)}")
    [made] = json.loads(shop.cli("redeem", "create", "5.00", "--kind", "sold", "--json"))
    shop.cli("redeem", "use", ORGANIZATION, made["code"])
    expect(figure(page, "balance", "wallet")).to_have_text(f"${format_amount(6 * NANO - charge)}")
    expect(figure(page, "paid", "wallet")).to_have_text("$5.00")
    expect(page.locator('[data-entry="redeem"]')).to_have_count(1)
    assert page.evaluate("window.before"), "the page was loaded again"


def limited(shop, page, account):
    """A limit that is asked for and granted shows while the page is open, and counts the next call."""
    page.get_by_role("link", name="Limits", exact=True).click()
    page.get_by_role("link", name="Ask for a higher limit").click()
    page.get_by_label("Limit", exact=True).select_option("rpd")
    page.get_by_label("Wanted").fill("1k")
    page.get_by_label("Why").fill("winter sale")
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_role("status")).to_contain_text("Your request was sent.")
    number = page.locator('[data-state="open"]').get_attribute("data-wish")
    page.goto("/portal/limits?tier=flex&q=mock")
    page.wait_for_selector("body.is-live")
    shop.cli("limits", "grant", number, "--why", "as agreed")
    line = "mock rpd organization"
    expect(page.locator(f'[data-line="{line}"]')).to_contain_text("as agreed")
    with shop.client(account) as client:
        client.chat.completions.create(model="mock", messages=[{"role": "user", "content": "Hello"}], max_tokens=5)
    expect(figure(page, "used", line)).to_have_text("1")
    page.reload()
    expect(page.locator(f'[data-wish="{number}"]')).to_have_attribute("data-state", "granted")


def readable(page):
    """In Chinese, in the dark, on a phone: no page is wider than it, and none shows English where it has Chinese."""
    page.emulate_media(color_scheme="dark")
    page.goto("/preferences?language=zh&back=/portal/usage")
    page.set_viewport_size({"width": 360, "height": 800})
    for name in PAGES:
        page.goto(f"/portal/{name}")
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
        assert overflow(page) == 0, name
    light = "getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).every(part => part < 60)"
    assert page.evaluate(light), "the dark is dark"


def test_from_the_home_page_to_the_last_unit_of_the_bill(shop, browser, tmp_path):
    with window(browser, shop.base_url) as page:
        signed_up(page)
        account = called_first(shop, page, tmp_path)
        called_on(shop, account)
        charge = adds_up(shop, page, account)
        topped_up(shop, page, charge)
        limited(shop, page, account)
        readable(page)
