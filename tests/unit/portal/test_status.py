import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from sqlalchemy import Engine, event, insert
from stage.pages import CHAT, HOSTILE, Site
from starlette.testclient import TestClient
from till import record

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, HOUR, SECOND, ManualClock
from puyun.ledger.hold import Status
from puyun.storage.engine import writing
from puyun.storage.ledger.inbox import post_of
from puyun.storage.service import tables
from puyun.storage.service.adding import add_all_up

NOW = 1_795_608_000_000_000
CHINESE = {"accept-language": "zh-CN"}


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


def called(site: Site, model: int, tier: Tier, *, at: int = NOW, bad: int = 0, good: int = 0, **times: int) -> None:
    made = msgspec.structs.replace(record(7, 1, 5, tier=tier), model=model, **times)
    failed = msgspec.structs.replace(made, status=Status.FAILED, error="upstream_error")
    with writing(site.engine) as connection:
        row = {"at": at, "content": post_of([made] * good + [failed] * bad, {})}
        connection.execute(insert(tables.tally_inbox), [row])
    add_all_up(site.engine)


@contextmanager
def counted(engine: Engine, word: str) -> Iterator[list[str]]:
    """The statements with this word in them."""
    asked: list[str] = []

    def asks(_connection, _cursor, statement, *_rest) -> None:
        if word in statement:
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", asks)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", asks)


def figures(page: str, **place: str) -> dict[str, str]:
    """The figures of one row of a table."""
    mark = " ".join(f'data-{name}="{value}"' for name, value in place.items())
    row = re.search(f"<tr {re.escape(mark)}>(.*?)</tr>", page, re.DOTALL)
    assert row is not None, mark
    found = re.findall(r'data-figure="(\w+)">(.*?)</td>', row[1], re.DOTALL)
    return {name: re.sub(r"<[^>]+>", "", text) for name, text in found}


def test_before_the_first_call_it_says_that_there_were_none(client: TestClient) -> None:
    page = client.get("/status")
    assert page.status_code == 200
    assert figures(page.text, tier="test") == {"p50": "–", "p95": "–", "available": "–"}
    assert "In the last hour none waited, for there were none." in page.text
    assert page.text.count("No calls in 90 days") == 8, "a row for each offer"


def test_with_nothing_on_sale_it_says_so(pages: Site, client: TestClient) -> None:
    pages.prices.models.clear()
    pages.prices.revision += 1
    assert "Nothing is sold yet." in client.get("/status").text


def test_waits_of_the_last_hour_and_days_of_ninety(pages: Site, client: TestClient) -> None:
    model = pages.models()[CHAT.name]
    called(pages, model, Tier.TEST, good=94, queue_ms=2000, ttft_ms=3000)
    called(pages, model, Tier.TEST, good=6, queue_ms=60_000, ttft_ms=3000)
    called(pages, model, Tier.TEST, at=NOW - HOUR - 1, good=300, queue_ms=119_000)
    called(pages, model, Tier.TEST, at=NOW - 89 * DAY, good=995, bad=5)
    called(pages, model, Tier.TEST, at=NOW - 90 * DAY, bad=1000)
    page = client.get("/status").text
    shown = figures(page, model=CHAT.name, tier="test")
    assert shown["p50"] in {"1.8 s", "1.9 s", "2 s", "2.1 s", "2.2 s"}
    assert 54 <= int(shown["p95"].removesuffix(" s")) <= 66
    assert shown["available"] == "99.64%", "1395 of 1400; what is older than 90 days is over"
    assert figures(page, tier="test")["p50"] == shown["p50"]
    assert re.search(r"half of them waited \d.* s at most, 95 in 100 of them \d\d s at most; after 120 s", page)
    assert "99.50% good: 5 of 1,000 calls were bad" in page
    bars = re.search(r'aria-label="99.64% good calls in 90 days">(.*?)</svg>', page, re.DOTALL)
    assert bars is not None
    assert re.findall(r'class="(\w+)" x="(\d+)" width="(\d+)"', bars[1]) == [
        ("low", "0", "3"),
        ("none", "3", "264"),
        ("ok", "267", "3"),
    ]


def test_another_model_s_calls_are_not_shown_as_its_own(pages: Site, client: TestClient) -> None:
    called(pages, pages.models()[CHAT.name], Tier.FLEX, good=3)
    page = client.get("/status").text
    assert figures(page, model=CHAT.name, tier="flex")["available"] == "100.00%"
    assert figures(page, model="embed-3", tier="flex")["available"] == "–"


def test_it_is_read_once_in_a_few_seconds(pages: Site, client: TestClient) -> None:
    model = pages.models()[CHAT.name]
    assert figures(client.get("/status").text, model=CHAT.name, tier="flex")["available"] == "–"
    called(pages, model, Tier.FLEX, good=3)
    assert figures(client.get("/status").text, model=CHAT.name, tier="flex")["available"] == "–"
    pages.clock.advance(10_000_001)
    assert figures(client.get("/status").text, model=CHAT.name, tier="flex")["available"] == "100.00%"


def test_while_the_database_is_away_it_shows_what_it_knew(pages: Site, client: TestClient, monkeypatch) -> None:
    called(pages, pages.models()[CHAT.name], Tier.FLEX, good=3)
    before = client.get("/status").text
    pages.clock.advance(60_000_000)
    with writing(pages.engine) as connection:
        connection.exec_driver_sql("ALTER TABLE tally_day RENAME TO away")
    assert client.get("/status").text == before
    assert client.get("/").status_code == 200


def test_it_speaks_chinese(pages: Site, client: TestClient) -> None:
    page = client.get("/status", headers=CHINESE).text
    assert "测试档位使用空闲容量" in page
    assert "Wait" not in page


def test_a_hostile_name_stays_text(client: TestClient) -> None:
    page = client.get("/status").text
    assert HOSTILE.name not in page
    assert "&lt;script&gt;" in page


def on_home(page: str) -> dict[str, list[str]]:
    """The figures of the three tiers, in order."""
    found: dict[str, list[str]] = {}
    for name, text in re.findall(r'data-figure="([a-z-]+)"><span>(.*?)</span></td>', page):
        found.setdefault(name, []).append(re.sub(r"<[^>]+>", "", text))
    return found


def test_home_says_of_each_tier_what_the_status_page_says(pages: Site, client: TestClient) -> None:
    model = pages.models()[CHAT.name]
    called(pages, model, Tier.TEST, good=3, bad=1, queue_ms=20_000, ttft_ms=21_000)
    called(pages, model, Tier.FLEX, at=NOW - 3 * DAY, good=5)
    home, status = client.get("/").text, client.get("/status").text
    test, flex = figures(status, tier="test"), figures(status, tier="flex")
    nothing, idle = "no traffic yet", "none in the last hour"
    assert test["available"] == "75.00%"
    assert test["p50"] != "–"
    assert on_home(home) == {
        "wait": [test["p50"], idle, nothing],
        "first-token": [
            re.search(r">([\d.]+ s)<", status[status.index('data-name="First token p50"') :])[1],
            idle,
            nothing,
        ],
        "uptime": ["75.00%", flex["available"], nothing],
    }
    assert home.count('href="/status"') >= 3


def test_an_open_home_page_fetches_the_figures_alone(pages: Site, client: TestClient) -> None:
    called(pages, pages.models()[CHAT.name], Tier.ENTERPRISE, good=9, queue_ms=3)
    part, home = client.get("/status/tiers"), client.get("/").text
    assert on_home(part.text) == on_home(home)
    assert "<html" not in part.text
    assert len(part.content) < 4_000
    assert "可用率" in client.get("/status/tiers", headers=CHINESE).text


def test_home_asks_the_database_no_more_often_than_the_status_page(pages: Site, client: TestClient) -> None:
    client.get("/")
    with counted(pages.engine, "tally") as asked:
        for _ in range(5):
            client.get("/")
            client.get("/status/tiers")
            client.get("/status")
        assert asked == []
        pages.clock.advance(11 * SECOND)
        client.get("/status/tiers")
        client.get("/")
        assert len(asked) == 2, "the hour, and the days"


def test_home_stands_without_figures_that_were_never_read(pages: Site, client: TestClient) -> None:
    with writing(pages.engine) as connection:
        connection.exec_driver_sql("ALTER TABLE tally_day RENAME TO away")
    home = client.get("/")
    assert home.status_code == 200
    assert on_home(home.text) == {}
    assert 'id="tier-levels"' in home.text, "and asks again"
