from urllib.parse import quote

from stage.pages import CHAT, DEMO, HOSTILE

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY


def test_a_model_has_its_prices_and_their_history(pages, client):
    pages.prices.set(CHAT, Tier.FLEX, "input", "2.60", start=pages.clock.now() - DAY)
    pages.prices.set(CHAT, Tier.FLEX, "output", "11", start=pages.clock.now() + 9 * DAY)
    page = client.get(f"/models/{CHAT.name}").text
    assert 'data-meter="input" value="2.60"' in page
    assert "$2.50" in page  # the price before
    assert "→ $11.00" in page
    assert "128,000" in page


def test_a_name_with_a_slash_or_worse_is_found(client):
    assert "demonstration model" in client.get(f"/models/{DEMO.name}").text
    page = client.get(f"/models/{quote(HOSTILE.name)}")
    assert page.status_code == 200
    assert '<script>alert("x")' not in page.text


def test_a_model_that_is_not_sold_says_so(pages, client):
    pages.prices.rows.clear()
    pages.prices.set(CHAT, Tier.FLEX, "input", None)
    page = client.get(f"/models/{CHAT.name}")
    assert page.status_code == 200
    assert "This model is not sold at the moment." in page.text


def test_an_unknown_model_is_not_found(client):
    answer = client.get("/models/nobody")
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.text
