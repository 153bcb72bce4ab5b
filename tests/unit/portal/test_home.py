"""The home page as a client without scripts gets it."""

import re
from html import unescape

import pytest
from stage.pages import CHAT, DEMO, EMBEDDING, Prices

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY
from puyun.kit.money import format_price

ROW = re.compile(r'<tr data-model="([^"]*)" data-tier="([^"]*)">(.*?)</tr>', re.DOTALL)
AMOUNT = re.compile(r'data-meter="(\w+)" value="([\d.]+)"[^>]*>\$([\d.,]+)<')


def shown(page):
    """(model, tier, meter): price, as the rows say it."""
    return {
        (model, tier, meter): value
        for model, tier, cells in ROW.findall(page)
        for meter, value, _ in AMOUNT.findall(cells)
    }


def booked(pages):
    """The same from the book itself, by the function that bills."""
    book, now = pages.prices.book, pages.clock.now()
    return {
        (model, tier.value, meter): format_price(rate.price)
        for model, tier in book.offers()
        for meter, rate in book.rates(model, tier, now).by_meter.items()
    }


def test_every_offer_of_the_book_is_shown_with_its_price(pages, client):
    expected = booked(pages)
    found = {
        (unescape(model), tier, meter): price for (model, tier, meter), price in shown(client.get("/").text).items()
    }
    visible = {key: price for key, price in expected.items() if key[2] in {"input", "cached_input", "output"}}
    assert len(visible) == 22
    assert found == visible


def test_the_text_of_an_amount_is_its_value(client):
    amounts = AMOUNT.findall(client.get("/").text)
    assert amounts
    assert all(value == text.replace(",", "") for _, value, text in amounts)


def test_a_meter_without_a_column_is_named_beside_its_amount(pages, client):
    pages.prices.set(CHAT, Tier.FLEX, "audio", "40")
    assert shown(client.get("/").text)[CHAT.name, "flex", "audio"] == "40.00"


def test_a_changed_price_is_shown_at_once(pages, client):
    client.get("/")
    pages.prices.set(CHAT, Tier.FLEX, "input", "7.77")
    assert shown(client.get("/").text)[CHAT.name, "flex", "input"] == "7.77"


def test_filters_stand_in_the_address(client):
    page = client.get("/?kind=embedding").text
    assert {model for model, _, _ in shown(page)} == {EMBEDDING.name}
    assert "1 of 4 models" in page
    assert 'value="embedding" selected' in page


def test_nothing_that_fits_is_said_and_so_is_nothing_priced(pages, client):
    assert "No model fits these filters." in client.get("/?q=nothing-like-it").text
    pages.prices = Prices(CHAT)
    page = client.get("/").text
    assert "No prices have been published yet." in page
    assert "Example receipt" not in page


def test_names_are_escaped_wherever_they_stand(client):
    page = client.get("/").text
    assert '<script>alert("x")' not in page
    assert "&lt;script&gt;alert(&#34;x&#34;)" in page
    assert "/models/%3Cscript%3Ealert" in page
    reflected = client.get('/?q="><script>alert(1)</script>').text
    assert "<script>alert(1)" not in reflected


def test_an_announced_change_is_shown_with_its_date(pages, client):
    pages.prices.set(CHAT, Tier.FLEX, "input", "2.40", start=pages.clock.now() + 40 * DAY)
    page = client.get("/").text
    assert "Announced price changes" in page
    assert "→ $2.40" in page
    assert shown(page)[CHAT.name, "flex", "input"] == "2.50"


def test_a_demonstration_model_is_labelled(client):
    page = client.get("/").text
    assert re.search(rf'{DEMO.name}</a>.*?<span class="label">demonstration model</span>', page, re.DOTALL)


def test_the_example_receipt_adds_up(client):
    receipt = re.search(r'class="receipt".*?</aside>', client.get("/").text, re.DOTALL)
    assert receipt is not None
    assert re.findall(r"\$([\d.]+)<", receipt[0]) == ["0.003", "0.0035", "0.0065"]  # 1200 * 2.50 + 350 * 10.00


def test_the_tiers_and_a_first_call_are_on_the_page(client):
    page = client.get("/", headers={"host": "shop.example"}).text
    for word in ("Test", "Flex", "Enterprise", "priority scheduling", "Dedicated"):
        assert word in page
    assert "curl http://shop.example/v1/chat/completions" in page
    assert (
        'base_url="http://shop.example/v1"'.replace('"', "&#34;") in page or 'base_url="http://shop.example/v1"' in page
    )


@pytest.mark.parametrize(("accept", "words"), [("zh-CN,en;q=0.5", "百万 Token"), ("en", "per million tokens")])
def test_the_page_speaks_the_language_of_the_browser(client, accept, words):
    assert words in client.get("/", headers={"accept-language": accept}).text


def test_no_other_site_is_named_on_the_page(client):
    page = client.get("/").text
    assert not re.findall(r'(?:src|href|action|hx-get)="(?:https?:)?//', page)
