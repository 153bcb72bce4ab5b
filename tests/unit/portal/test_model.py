import re
from html import unescape
from urllib.parse import quote

import msgspec
from sqlalchemy import insert
from stage.pages import CHAT, DEMO, EMBEDDING, HOSTILE
from till import record

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY
from puyun.protocol.openai import ENDPOINTS
from puyun.storage.engine import writing
from puyun.storage.ledger.inbox import post_of
from puyun.storage.service import tables
from puyun.storage.service.adding import add_all_up


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


def test_what_was_and_what_comes_is_drawn_and_listed(pages, client):
    now = pages.clock.now()
    pages.prices.set(CHAT, Tier.FLEX, "output", "9", start=now - DAY)
    pages.prices.set(CHAT, Tier.FLEX, "output", "11", start=now + 9 * DAY)
    page = client.get(f"/models/{CHAT.name}").text
    charts = re.findall(r'<svg class="lines".*?</svg>', page, re.DOTALL)
    assert len(charts) == 2, "input and output"
    assert [re.findall(r'path class="(\w+)"', chart) for chart in charts] == [["test", "flex", "enterprise"]] * 2
    assert 'class="ahead"' in charts[1]
    assert "Announced changes" in page
    rows = [
        re.sub(r"<[^>]+>|\s+", " ", row)
        for row in re.findall(r"<tr>.*?</tr>", page.split("history-title")[-1], re.DOTALL)
    ]
    assert "announced" in rows[1]
    assert "$9.00" in rows[1]
    assert "$11.00" in rows[1]
    assert "style=" not in page


def test_a_model_without_calls_says_that_there_were_none(client):
    assert "No traffic yet" in client.get(f"/models/{CHAT.name}").text


def test_calls_of_today_are_drawn_with_their_table(pages, client):
    number = pages.models()[CHAT.name]
    made = msgspec.structs.replace(record(7, 1, 5), model=number)
    with writing(pages.engine) as connection:
        row = {"at": pages.clock.now(), "content": post_of([made], {})}
        connection.execute(insert(tables.tally_inbox), [row])
    add_all_up(pages.engine)
    page = client.get(f"/models/{CHAT.name}").text
    assert "No traffic yet" not in page
    speed = page.split('id="speed"')[1].split("history-title")[0]
    assert "Wait in the queue, median" in speed
    assert speed.count("<tr>") == 2


def test_what_a_use_would_cost_stands_at_each_tier(client):
    page = client.get(f"/models/{CHAT.name}", params={"in": "1000", "out": "100", "calls": "10"}).text
    assert re.findall(r'class="figure" value="([\d.]+)"', page) == ["0.975", "1.05", "1.1625"]
    assert "Write a whole number" in client.get(f"/models/{CHAT.name}?in=x").text


def test_code_names_paths_that_are_served_and_a_tier_that_is_sold(pages, client):
    served = {endpoint.path for endpoint in ENDPOINTS}
    pages.prices.set(EMBEDDING, Tier.TEST, "input", "1")
    pages.prices.set(EMBEDDING, Tier.FLEX, "input", None)
    for model, path, tier in ((CHAT, "/v1/chat/completions", "flex"), (EMBEDDING, "/v1/embeddings", "test")):
        page = unescape(client.get(f"/models/{model.name}").text)
        code = "".join(re.findall(r"<code>(.*?)</code>", page, re.DOTALL))
        assert set(re.findall(r"testserver(/[\w/]+)", code)) - {"/v1"} == {path} <= served
        assert set(re.findall(r'service_tier"?[:=] ?"(\w+)"', code)) == {tier}


def test_the_other_shapes_are_said_not_to_be_served_as_long_as_they_are_not(client):
    assert "/v1/messages" not in {endpoint.path for endpoint in ENDPOINTS}
    assert "(/v1/messages) and Gemini are not served" in client.get(f"/models/{CHAT.name}").text


def test_a_kind_without_an_address_is_said_not_to_be_callable(client):
    page = client.get(f"/models/{quote(HOSTILE.name)}").text
    assert "it cannot be called" in page
    assert "curl" not in page
