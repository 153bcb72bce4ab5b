from xml.etree import ElementTree as ET

import pytest
from stage.pages import CHAT, HOSTILE, Site
from starlette.testclient import TestClient

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, ManualClock
from puyun.portal.shop.changefeed import RSS_MAX

NOW = 20_000 * DAY + 5


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


def ids(client: TestClient) -> list[int]:
    return [change["id"] for change in client.get("/prices.json").json()["changes"]]


def test_ninety_days_and_what_is_announced(pages: Site, client: TestClient) -> None:
    before = len(pages.prices.rows)
    for price, start in (("1", NOW - 91 * DAY), ("2", NOW - 89 * DAY), ("3", NOW), ("4", NOW + 400 * DAY)):
        pages.prices.set(CHAT, Tier.FLEX, "input", price, start=start)
    assert ids(client) == [before + 4, before + 3, before + 2]
    shown = client.get("/prices.json").json()["changes"]
    assert [(each["before"], each["price"], each["announced"]) for each in shown] == [
        ("3.00", "4.00", True),
        ("2.00", "3.00", False),
        ("1.00", "2.00", False),
    ]


def test_the_announced_becomes_true_without_a_new_price(pages: Site, client: TestClient) -> None:
    pages.prices.set(CHAT, Tier.FLEX, "input", "9", start=NOW + DAY)
    first = client.get("/prices.json")
    pages.clock.advance(2 * DAY)
    later = client.get("/prices.json", headers={"if-none-match": first.headers["etag"]})
    assert (first.json()["changes"][0]["announced"], later.json()["changes"][0]["announced"]) == (True, False)


@pytest.mark.parametrize("path", ["/prices.rss", "/prices.json"])
def test_who_has_it_is_not_sent_it_again(pages: Site, client: TestClient, path: str) -> None:
    etag = client.get(path).headers["etag"]
    same = client.get(path, headers={"if-none-match": etag})
    assert (same.status_code, same.content) == (304, b"")
    pages.prices.set(CHAT, Tier.FLEX, "input", "9", start=NOW)
    assert client.get(path, headers={"if-none-match": etag}).status_code == 200


def test_the_feed_of_a_hostile_name_is_valid_and_bounded(pages: Site, client: TestClient) -> None:
    for number in range(RSS_MAX + 5):
        pages.prices.set(HOSTILE, Tier.FLEX, "input", f"1.{number:06d}", start=NOW - RSS_MAX + number)
    answer = client.get("/prices.rss", headers={"host": "shop.example"})
    assert answer.headers["content-type"].startswith("application/rss+xml")
    items = ET.fromstring(answer.content).findall("channel/item")
    assert len(items) == RSS_MAX
    assert all((each.findtext("title") or "").startswith(HOSTILE.name) for each in items)
    assert (items[0].findtext("link") or "").startswith("http://shop.example/models/%3Cscript")
    assert b"<script" not in answer.content


def test_pages_lead_to_the_feed(client: TestClient) -> None:
    page = client.get("/").text
    assert 'type="application/rss+xml"' in page
    assert page.count('href="/prices.rss?lang=en"') == 2
    assert 'href="/prices.json"' in page


def test_the_language_is_that_of_the_address_else_of_the_reader(client: TestClient) -> None:
    chinese = {"accept-language": "zh-CN"}
    feeds = [
        client.get("/prices.rss"),
        client.get("/prices.rss", headers=chinese),
        client.get("/prices.rss?lang=zh"),
        client.get("/prices.rss?lang=en", headers=chinese),
        client.get("/prices.rss?lang=fr"),
    ]
    said = [ET.fromstring(feed.content).findtext("channel/language") for feed in feeds]
    assert said == ["en", "zh-Hans", "zh-Hans", "en", "en"]
    assert feeds[0].headers["etag"] != feeds[1].headers["etag"] == feeds[2].headers["etag"]
    assert 'href="/prices.rss?lang=zh"' in client.get("/", headers=chinese).text
