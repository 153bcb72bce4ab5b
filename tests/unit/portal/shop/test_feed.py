from xml.etree import ElementTree as ET

import pytest

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, Instant
from puyun.portal.shop.changes import PriceChange
from puyun.portal.shop.feed import Publisher, as_json, rss
from puyun.pricing.pricebook import PriceRow
from puyun.web.language import Language

SITE = Publisher("Shop & Sons", "USD", "https://shop.example")
NOW = Instant(100 * DAY)


def change(
    model: str = "m", amount: int | None = 2_000_000, before: int | None = 1_000_000, at: int = 0
) -> PriceChange:
    row = PriceRow(
        id=7,
        model=model,
        tier=Tier.TEST,
        meter="cached_input",
        amount=amount,
        effective_from=Instant(at),
        created_at=Instant(50 * DAY),
    )
    return PriceChange(row, before)


def item(document: bytes) -> dict[str, str]:
    found = ET.fromstring(document).find("channel/item")
    assert found is not None
    return {part.tag: part.text or "" for part in found}


def test_an_item_says_what_changed_and_keeps_its_guid() -> None:
    first, later = item(rss([change()], SITE, NOW)), item(rss([change()], SITE, Instant(NOW + DAY)))
    assert first == later
    assert first["guid"] == "price-7"
    assert first["title"] == "m, test, cached_input: 1.00 → 2.00 USD"
    assert first["link"] == "https://shop.example/models/m"
    assert first["pubDate"] == "Fri, 20 Feb 1970 00:00:00 +0000"


@pytest.mark.parametrize(
    ("amount", "before", "at", "words"),
    [
        (5, None, 0, "0.000005 USD, new"),
        (None, 5, 0, "0.000005 USD, withdrawn"),
        (6, 5, 101 * DAY, "0.000005 → 0.000006 USD from 1970-04-12T00:00:00Z"),
    ],
)
def test_new_withdrawn_and_announced_are_told_apart(amount: int, before: int, at: int, words: str) -> None:
    assert item(rss([change("m", amount, before, at)], SITE, NOW))["title"].endswith(words)


@pytest.mark.parametrize(
    "name", ['<script>alert("x")</script>', "a&b]]>", "nul\x00bell\x07", "half \ud800 pair", "../../x?y#z", "模型"]
)
def test_whatever_a_model_is_called_the_document_is_valid(name: str) -> None:
    found = item(rss([change(name)], SITE, NOW))
    shown = name.replace("\x00", "\ufffd").replace("\x07", "\ufffd").replace("\ud800", "\ufffd")
    assert found["title"].startswith(shown + ", test")
    assert set(found["link"]) <= set(map(chr, range(33, 127))) - set('<>"')


def test_without_changes_it_is_an_empty_channel() -> None:
    head = ET.fromstring(rss([], SITE, NOW)).find("channel")
    assert head is not None
    assert head.findtext("title") == "Shop & Sons: price changes"
    assert head.find("item") is None


def test_json_has_exact_strings_and_says_what_it_left_out() -> None:
    found = as_json([change("m", None, 5, 101 * DAY)], "USD", Instant(0), NOW, left_out=3)
    (row,) = found.changes
    assert (row.id, row.before, row.price, row.announced) == (7, "0.000005", None, True)
    assert found.left_out == 3


def test_it_speaks_chinese() -> None:
    site = Publisher("Shop", "USD", "https://shop.example", Language.CHINESE)
    document = rss([change(at=101 * DAY)], site, NOW)
    head = ET.fromstring(document).find("channel")
    assert head is not None
    assert (head.findtext("title"), head.findtext("language")) == ("Shop：价格变动", "zh-Hans")
    found = item(document)
    assert found["title"] == "m, test, cached_input: 1.00 → 2.00 USD，自 1970-04-12T00:00:00Z 起"
    assert "每百万 token" in found["description"]
    assert "price" not in found["description"]
