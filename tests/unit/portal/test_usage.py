"""The Usage page: its figures are those of the rollups, and nobody sees somebody else's."""

import csv
import re
from io import BytesIO, StringIO
from zipfile import ZipFile

import pytest
from sqlalchemy import insert
from stage.pages import CHAT, DEMO, Site
from stage.visitor import signed_in
from starlette.testclient import TestClient

from puyun.catalog.model import Tier
from puyun.identity.model import Role
from puyun.kit.clock import DAY, ManualClock, parse_instant
from puyun.kit.ids import format_id
from puyun.kit.money import NANO
from puyun.service.histogram import NAMES, Kind, bin_of
from puyun.service.verdict import BAD, INTERVAL
from puyun.storage.engine import writing
from puyun.storage.service.tables import tally
from puyun.storage.wallets import MoneyKind, top_up

NOW = parse_instant("2026-03-15T12:30:00Z")
EMAIL = "ada@example.com"
FAST, SLOW = (NAMES[Kind.FIRST_TOKEN][bin_of(microseconds)] for microseconds in (250_000, 9_000_000))


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


@pytest.fixture
def engines(pages):
    organization = pages.organization("Engines")
    models = pages.models()
    ours, theirs = pages.key(organization, "ci"), pages.key(pages.organization("Rivals"))
    chat, demo = models[CHAT.name], models[DEMO.name]
    pages.used(ours, chat, Tier.FLEX, at=NOW, charge=8_755_000, calls=3, failures=1, input=1000, output=200)
    pages.used(ours, chat, Tier.TEST, at=NOW - 2 * DAY, charge=1, calls=1, cached_input=50, output=5, reasoning=7)
    pages.used(ours, demo, Tier.FLEX, at=NOW - 20 * DAY, charge=2 * NANO, calls=2, input=9_000_000)
    pages.used(theirs, chat, Tier.FLEX, at=NOW, charge=99 * NANO, calls=99, input=99)
    with writing(pages.engine) as connection:
        top_up(connection, organization.id, 5 * NANO, kind=MoneyKind.PAID, ref="first", now=NOW)
    return organization


@pytest.fixture
def client(pages, engines):
    pages.person(EMAIL, engines)
    return signed_in(pages)


def table(page):
    """label: {field: text}"""
    rows = re.findall(r'<tr data-label="([^"]*)">(.*?)</tr>', page, re.DOTALL)
    cell = re.compile(r'data-field="(\w+)">(?:<span[^>]*>)?([^<]*)')
    return {label: dict(cell.findall(cells)) for label, cells in rows}


def figures(page):
    return dict(re.findall(r'data-figure="(\w+)">([^<]*)<', page))


def test_tokens_by_bucket_and_cost_by_model(client):
    found = table(client.get("/portal/usage").text)
    assert list(found) == [DEMO.name, CHAT.name, "total"]
    assert found[CHAT.name] == {
        "calls": "4",
        "input": "1,000",
        "cached_input": "50",
        "output": "205",
        "reasoning": "7",
        "tokens": "1,262",
        "charge": "$0.008755001",
    }
    assert found["total"]["charge"] == "$2.008755001"
    assert found["total"]["tokens"] == "9,001,262"


@pytest.mark.parametrize("by", ["model", "key", "tier", "day"])
def test_the_total_is_the_same_however_it_is_grouped(client, by):
    found = table(client.get(f"/portal/usage?by={by}").text)
    assert found["total"]["charge"] == "$2.008755001"
    assert found["total"]["calls"] == "6"


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("period=today", "$0.008755"),
        ("period=7d", "$0.008755001"),
        ("period=30d", "$2.008755001"),
        ("period=month", "$0.008755001"),
        ("period=custom&from=2026-02-23&to=2026-02-23", "$2.00"),
        ("period=custom&from=2026-03-13&to=2026-03-13", "$0.000000001"),
    ],
)
def test_a_period_counts_its_own_days_only(client, query, cost):
    assert figures(client.get(f"/portal/usage?{query}").text)["cost"] == cost


def test_the_balance_is_shown_with_what_is_held(client, pages, engines):
    with pages.engine.connect() as connection:
        connection.exec_driver_sql(f"UPDATE wallet SET held = {NANO} WHERE org = {engines.id}")
    page = client.get("/portal/usage").text
    assert figures(page)["available"] == "$4.00"
    assert "balance $5.00 · held $1.00" in page


def test_a_viewer_sees_usage_and_no_balance(pages, engines):
    pages.person("eve@example.com", engines, role=Role.VIEWER)
    found = figures(signed_in(pages, "eve@example.com").get("/portal/usage").text)
    assert "available" not in found
    assert found["cost"] == "$2.008755001"


def test_the_export_is_the_table(client):
    answer = client.get("/portal/usage.csv?by=tier&period=7d")
    assert "usage-by-tier-2026-03-09-2026-03-15.csv" in answer.headers["content-disposition"]
    rows = {row["tier"]: row["cost"] for row in csv.DictReader(StringIO(answer.text))}
    assert rows == {"flex": "0.008755", "test": "0.000000001"}


def test_without_calls_the_page_shows_how_to_make_one(client):
    page = client.get("/portal/usage?period=custom&from=2020-01-01&to=2020-01-31").text
    assert "No calls in this period" in page
    assert "/v1/chat/completions" in page
    assert figures(page)["cost"] == "$0.00"


def test_another_organization_is_out_of_reach(client, pages):
    with pages.engine.connect() as connection:
        rival = connection.exec_driver_sql("SELECT id FROM organization WHERE name = 'Rivals'").scalar()
    assert client.get(f"/portal/usage?org={format_id('org', rival)}").status_code == 404
    assert client.get(f"/portal/usage.csv?org={format_id('org', rival)}").status_code == 404
    assert "99" not in figures(client.get("/portal/usage").text)["requests"]


def test_a_member_of_two_organizations_chooses(pages, engines):
    other = pages.organization("Analytics")
    pages.person("both@example.com", engines, other)
    client = signed_in(pages, "both@example.com")
    first = client.get("/portal/usage").text
    assert "Analytics" in first
    assert figures(first)["requests"] == "0"
    second = client.get(f"/portal/usage?org={format_id('org', engines.id)}&period=7d").text
    assert figures(second)["requests"] == "4"
    assert f"org={format_id('org', engines.id)}&amp;period=30d" in second  # a link keeps the organization


def test_who_belongs_nowhere_is_told_so(pages):
    pages.person("lone@example.com")
    answer = signed_in(pages, "lone@example.com").get("/portal/usage")
    assert answer.status_code == 403
    assert "You belong to no organization yet." in answer.text


def test_the_portal_begins_with_usage_and_an_operator_elsewhere(client, pages):
    assert client.get("/portal").headers["location"] == "/portal/usage"
    pages.person("root@example.com", operator=True)
    assert signed_in(pages, "root@example.com").get("/portal").headers["location"] == "/admin"


def test_nothing_is_shown_to_who_is_not_signed_in(pages, engines):
    client = TestClient(pages.app, follow_redirects=False)
    for path in ("/portal", "/portal/usage", "/portal/usage.csv"):
        assert client.get(path).headers["location"] == f"/login?next={path.replace('/', '%2F')}"


def test_a_page_with_a_token_is_not_compressed(client):
    answer = client.get("/portal/usage", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert client.get("/", headers={"accept-encoding": "gzip"}).headers["content-encoding"] == "gzip"


def twin(page, name):
    """The rows of the table under a chart: mark: values."""
    body = re.search(rf'<table class="ruled twin-table" id="{name}-table".*?</table>', page, re.DOTALL)[0]
    rows = re.findall(r'<tr><th scope="row">([^<]*)</th>(.*?)</tr>', body)
    return {mark: [int(value) for value in re.findall(r'data-value="(\d+)"', cells)] for mark, cells in rows}


def test_a_chart_has_every_day_and_adds_up_to_the_total(client):
    page = client.get("/portal/usage").text
    costs = twin(page, "cost-plot")
    assert len(costs) == 30
    assert sum(map(sum, costs.values())) == 2_008_755_001
    assert costs["2026-03-15"] == [0, 8_755_000]
    assert sum(map(sum, twin(page, "token-plot").values())) == 9_001_262
    assert [sum(each) for each in zip(*twin(page, "call-plot").values(), strict=True)] == [5, 1]


def test_a_single_day_has_its_hours(client):
    costs = twin(client.get("/portal/usage?period=today").text, "cost-plot")
    assert len(costs) == 24
    assert {mark: values for mark, values in costs.items() if sum(values)} == {"12:00": [8_755_000]}


@pytest.mark.parametrize(
    ("query", "calls"),
    [
        ("model=gpt-4o", "4"),
        ("tier=test", "1"),
        ("tier=test&model=gpt-4o", "1"),
        ("model=unheard-of", "0"),
        ("member=none", "6"),
        ("tier=nonsense", "6"),
    ],
)
def test_a_filter_stands_in_the_address_and_holds_for_page_and_exports(client, query, calls):
    page = client.get(f"/portal/usage?{query}").text
    assert figures(page)["requests"] == calls
    rows = csv.DictReader(StringIO(client.get(f"/portal/usage.csv?{query}").text))
    assert sum(int(row["requests"]) for row in rows) == int(calls)
    if calls == "0":
        assert "No usage fits" in page


def test_keys_and_members_filter_and_those_of_others_are_out_of_reach(client, pages, engines):
    with pages.engine.connect() as connection:
        mine, theirs = connection.exec_driver_sql("SELECT id FROM api_key ORDER BY id").scalars()
        ada = connection.exec_driver_sql("SELECT id FROM user").scalar()
        connection.exec_driver_sql(f"UPDATE api_key SET member = {ada} WHERE id = {mine}")
        connection.commit()
    stranger = pages.person("mallory@example.com").id
    for path in ("/portal/usage", "/portal/usage.csv", "/portal/usage.xlsx"):
        assert client.get(f"{path}?key={format_id('key', theirs)}").status_code == 404
        assert client.get(f"{path}?member={format_id('user', stranger)}").status_code == 404
        assert client.get(f"{path}?key=%00").status_code == 404
    assert figures(client.get(f"/portal/usage?key={format_id('key', mine)}").text)["requests"] == "6"
    assert figures(client.get(f"/portal/usage?member={format_id('user', ada)}").text)["requests"] == "6"
    assert figures(client.get("/portal/usage?member=none").text)["requests"] == "0"
    assert list(table(client.get("/portal/usage?by=member").text)) == [EMAIL, "total"]


def test_who_may_not_manage_members_is_shown_none(pages, engines, client):
    pages.person("eve@example.com", engines, role=Role.MEMBER)
    page = signed_in(pages, "eve@example.com").get("/portal/usage?by=member&member=none").text
    assert EMAIL not in page
    assert CHAT.name in table(page)
    assert 'name="member"' not in page


def test_figures_are_held_against_the_same_stretch_before(client, pages, engines):
    page = client.get("/portal/usage?period=7d").text
    assert page.count("none before") == 4
    rollup = "INSERT INTO rollup_hour (org, hour, key, model, tier, calls, input, charge) VALUES"
    with pages.engine.connect() as connection:
        key = connection.exec_driver_sql(f"SELECT id FROM api_key WHERE org = {engines.id}").scalar()
        at = (NOW - 7 * DAY) // (DAY // 24)
        connection.exec_driver_sql(f"{rollup} ({engines.id}, {at - 1}, {key}, 1, 1, 8, 2524, 4377500)")
        connection.exec_driver_sql(f"{rollup} ({engines.id}, {at + 1}, {key}, 1, 1, 1, 1, 1)")  # later than now then
        connection.commit()
    page = client.get("/portal/usage?period=7d").text
    assert re.findall(r'<dd class="note change"><b>([^<]*)</b>', page) == ["+100.0%", "−50.0%", "−50.0%", "+300.0%"]
    assert figures(page)["average"] == "$6.9374"


def test_days_are_those_of_the_chosen_zone_and_it_is_remembered(client, pages, engines):
    with pages.engine.connect() as connection:
        connection.exec_driver_sql(f"DELETE FROM rollup_hour WHERE org = {engines.id}")
        key = connection.exec_driver_sql(f"SELECT id FROM api_key WHERE org = {engines.id}").scalar()
        for hour, charge in ((15, 100), (16, 23)):  # 23:00 of the 14th and 00:00 of the 15th in Shanghai
            at = parse_instant(f"2026-03-14T{hour}:00:00Z") // (DAY // 24)
            values = f"({engines.id}, {at}, {key}, 1, 1, 1, {charge})"
            connection.exec_driver_sql(
                f"INSERT INTO rollup_hour (org, hour, key, model, tier, calls, charge) VALUES {values}"
            )
        connection.commit()
    utc = client.get("/portal/usage?by=day").text
    assert [label for label in table(utc) if label != "total"] == ["2026-03-14"]
    here = client.get("/portal/usage?by=day&zone=Asia/Shanghai").text
    found = {label: cells["charge"] for label, cells in table(here).items()}
    assert found == {"2026-03-14": "$0.0000001", "2026-03-15": "$0.000000023", "total": "$0.000000123"}
    assert client.cookies["puyun-zone"].strip('"') == "Asia/Shanghai"
    assert "2026-03-15" in table(client.get("/portal/usage?by=day").text)
    assert "2026-03-15 00:00" in table(client.get("/portal/usage?by=hour").text)
    assert figures(client.get("/portal/usage?period=today&zone=nowhere").text)["cost"] == "$0.000000023"


def test_many_rows_are_shortened_and_still_add_up(client, pages, engines):
    for number in range(205):
        pages.used(pages.key(engines, f"k{number}"), 1, Tier.FLEX, at=NOW, charge=7, calls=1)
    page = client.get("/portal/usage?by=key").text
    found = table(page)
    assert len(found) == 202
    assert "6 more, apart in the exports" in page
    assert found["rest"]["charge"] == "$0.000000042"
    assert found["total"]["charge"] == "$2.008756436"
    assert len(client.get("/portal/usage.csv?by=key").text.splitlines()) == 207


def test_a_workbook_has_exact_amounts_and_no_formula(client, pages, engines):
    hostile = pages.key(engines, '=cmd()|"x"')
    pages.used(hostile, 1, Tier.FLEX, at=NOW, charge=123_456_789, calls=1)
    answer = client.get("/portal/usage.xlsx?by=key&period=today")
    assert answer.headers["cache-control"] == "private, no-store"
    assert "usage-by-key-2026-03-15-2026-03-15.xlsx" in answer.headers["content-disposition"]
    with ZipFile(BytesIO(answer.content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "<t>=cmd()|" in sheet
    assert "<t>0.123456789</t>" in sheet
    assert "<v>0.123456789</v>" in sheet


def test_how_calls_went_is_shown_where_the_tallies_can_tell(client, pages, engines):
    with writing(pages.engine) as connection:
        rows = [
            {"org": org, "interval": NOW // INTERVAL, "model": 1, "tier": 1, "calls": calls, BAD[0]: 1, "seen": seen}
            for org, calls, seen in ((engines.id, 8, FAST * 4), (engines.id + 1, 99, SLOW * 9))
        ]
        connection.execute(insert(tally), rows)
    shown = client.get("/portal/usage?period=7d").text
    section = re.search(r'<tr data-service="gpt-4o">.*?</tr>', shown, re.DOTALL)[0]
    assert 'data-field="bad">1<' in section
    assert "87.50%" in section
    today = re.search(r'id="latency-plot-table".*?</table>', shown, re.DOTALL)[0].rpartition("<tr>")[2]
    assert [200_000 < int(value) < 300_000 for value in re.findall(r'data-value="(\d+)"', today)] == [True, True]
    for query in (
        "period=7d&model=other",
        "period=7d&tier=enterprise",
        "member=none",
        "period=custom&from=2026-01-01&to=2026-03-15",
    ):
        narrow = client.get(f"/portal/usage?{query}").text
        assert "data-service" not in narrow
        assert "latency-plot" not in narrow


@pytest.mark.parametrize("table", ["tally", "wallet"])
def test_while_the_figures_cannot_be_read_it_says_so_and_keeps_the_filters(pages, client, table):
    with writing(pages.engine) as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO away")
    path = "/portal/usage?period=7d&model=gpt-4o&zone=Asia%2FTokyo&by=key"
    answer = client.get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "The figures cannot be read at the moment." in answer.text
    assert f'href="{path.replace("&", "&amp;")}"' in answer.text
    assert "7d · gpt-4o · Asia/Tokyo · key" in answer.text
    with writing(pages.engine) as connection:
        connection.exec_driver_sql(f"ALTER TABLE away RENAME TO {table}")
    assert client.get(path).status_code == 200


def test_no_zone_is_offered_that_would_be_half_an_hour_wrong(client):
    page = client.get("/portal/usage").text
    assert "India or central Australia would be half an hour wrong" in page
    assert "Asia/Kolkata" not in page
