import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from stage.pages import CHAT, DEMO, EMBEDDING, HOSTILE, Site
from starlette.testclient import TestClient

from puyun.catalog.model import Kind, Model, Tier
from puyun.kit.clock import DAY
from puyun.portal.shop.compare import parse_names

FIFTH = Model(name="fifth", kind=Kind.CHAT, context_length=1)


def compare(client: TestClient, *names: str, **fields: str) -> str:
    answer = client.get("/compare", params={"m": names, **fields})
    assert answer.status_code == 200
    return answer.text


def heads(page: str) -> list[str]:
    found = re.search(r"<table.*?</thead>", page, re.DOTALL)
    return [unescape(name) for name in re.findall(r'<a href="/models/[^"]*">(.*?)</a>', found[0])] if found else []


def test_models_stand_in_the_order_of_the_address(client: TestClient) -> None:
    page = compare(client, DEMO.name, CHAT.name)
    assert heads(page) == [DEMO.name, CHAT.name]
    assert "128,000" in page
    assert 'value="2.875"' in page


def test_a_change_that_is_announced_stands_beside_its_price(pages: Site, client: TestClient) -> None:
    pages.prices.set(CHAT, Tier.FLEX, "input", "2.40", start=pages.clock.now() + 40 * DAY)
    assert "→ $2.40, " in compare(client, CHAT.name)


def test_what_a_month_costs_at_each_tier(client: TestClient) -> None:
    page = compare(client, CHAT.name, EMBEDDING.name, **{"in": "1000", "out": "100", "calls": "10"})
    costs = re.findall(r'<data class="figure" value="([\d.]+)"', page)
    # 300 calls of 1000 * 2.25 + 100 * 10.00 and so on; an embedding has no output
    assert costs == ["0.975", "1.05", "0.039", "1.1625"]


def test_more_than_four_are_left_out_and_named(pages: Site, client: TestClient) -> None:
    pages.prices.models.append(FIFTH)
    page = compare(client, CHAT.name, DEMO.name, EMBEDDING.name, HOSTILE.name, FIFTH.name)
    assert len(heads(page)) == 4
    assert "left out: fifth" in page


def test_unknown_names_are_said_and_take_no_place(client: TestClient) -> None:
    page = compare(client, "nobody", CHAT.name)
    assert heads(page) == [CHAT.name]
    assert "There is no model nobody." in page


def test_nothing_chosen_says_how_to_choose(client: TestClient) -> None:
    assert "No model is chosen yet." in compare(client)


@pytest.mark.parametrize("name", [HOSTILE.name, '"><script>alert(1)</script>'])
def test_names_are_escaped_wherever_they_stand(client: TestClient, name: str) -> None:
    page = compare(client, name, CHAT.name, **{"in": '"><script>'})
    assert "<script>alert" not in page
    assert '"><script>' not in page


def test_a_field_that_is_wrong_is_kept_and_named(client: TestClient) -> None:
    page = compare(client, CHAT.name, calls="many")
    assert 'value="many"' in page
    assert "Write a whole number, such as 1200." in page
    assert 'class="figure"' not in page


def test_one_is_removed_and_what_was_typed_stays(client: TestClient) -> None:
    page = compare(client, CHAT.name, DEMO.name, calls="77")
    addresses = [unescape(each) for each in re.findall(r'href="(/compare\?[^"]*)"', page)]
    assert [parse_qs(urlsplit(each).query) for each in addresses[:2]] == [
        {"m": [DEMO.name], "calls": ["77"]},
        {"m": [CHAT.name], "calls": ["77"]},
    ]


def test_a_model_without_offers_is_no_fault(pages: Site, client: TestClient) -> None:
    pages.prices.models.append(FIFTH)
    assert heads(compare(client, FIFTH.name)) == ["fifth"]


def test_names_of_an_address_are_bounded() -> None:
    assert parse_names(["a", "", "b", "a"]) == ["a", "b"]
    assert len(parse_names([str(number) for number in range(1000)])) == 20
    assert parse_names(["x" * 10_000]) == ["x" * 200]
