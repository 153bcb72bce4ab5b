"""The Limits page: the rows of the API, for who may see them, whether there is much to see or nothing."""

import asyncio
import re
from html import unescape

import pytest
from stage.pages import CHAT, DEMO, EMBEDDING, HOSTILE, PASSWORD, Prices, Site
from stage.streams import nothing, request_for, told as heard
from stage.visitor import signed_in
from starlette.testclient import TestClient

from puyun.catalog.model import Kind, Model, Tier
from puyun.config import Brand
from puyun.identity.access import ALLOWED, Permission
from puyun.identity.model import Role
from puyun.kit.clock import DAY, SECOND, ManualClock, parse_instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.limits.rule import Metric, Rule, Scope
from puyun.portal.pages import limits as module
from puyun.portal.pages.limits import LimitsPage
from puyun.storage.engine import writing
from puyun.storage.identity import revoke_key, set_organization
from puyun.web.site import Site as WebSite

NOW = parse_instant("2026-03-15T12:30:00Z")
EMAIL = "ada@example.com"
PAGE, STREAM = "/portal/limits", "/portal/limits/stream"
CHAT_ID = 1


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


@pytest.fixture
def engines(pages):
    organization = pages.organization("Engines")
    pages.person(EMAIL, organization)
    return organization


@pytest.fixture
def client(pages, engines):
    return signed_in(pages)


def lines(page):
    """line: {figure: text}, the gauge with its range."""
    rows = re.findall(r'<tr[^>]* data-line="([^"]*)"[^>]*>(.*?)</tr>', page, re.DOTALL)
    text = re.compile(r'data-(?:figure|field)="(\w+)">([^<]*)<')
    meter = re.compile(r'<meter min="0" max="(\d+)".*? value="(\d+)"')
    found = {unescape(name): dict(text.findall(cells)) for name, cells in rows}
    for name, cells in rows:
        for most, value in meter.findall(cells):
            found[unescape(name)]["gauge"] = int(most), int(value)
    return found


def models(page):
    return [unescape(name) for name in re.findall(r'<tbody data-model="([^"]*)"', page)]


def tier(page):
    return re.search(r'name="tier" value="(\w+)" checked', page)[1]


def words(page):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_every_limit_of_every_model_sold_at_the_tier_stands_there(pages, engines, client):
    pages.arbiter.call(engines.id, CHAT_ID, tokens=60)
    page = client.get(f"{PAGE}?tier=flex").text
    assert models(page) == [EMBEDDING.name, CHAT.name, DEMO.name]
    found = lines(page)
    assert found["gpt-4o"] == {"in_flight": "1", "queued": "0", "wait": "0 s"}
    assert found["gpt-4o rpm default"] == {
        "limit": "300 ",
        "used": "1",
        "gauge": (50, 1),
        "remaining": "49",
        "reset": "1 s",
    }
    assert found["gpt-4o in_flight default"]["gauge"] == (16, 1)
    assert found["gpt-4o in_flight default"]["reset"] == "–"
    assert found["embed-3 rpm default"]["used"] == "0"
    assert "pool shared" in words(page)
    assert models(client.get(f"{PAGE}?tier=test").text) == [HOSTILE.name, CHAT.name, DEMO.name]


def test_a_limit_says_who_set_it_why_and_until_when(pages, engines, client):
    ours = {"org": engines.id, "metric": Metric.RPM, "model": "gpt-*", "scope": Scope.ORGANIZATION_MODEL}
    rule = Rule(**ours, amount=0, id=1, why='"winter" <sale>', ends=NOW + DAY)
    pages.arbiter.rule(rule, **{CHAT.name: CHAT_ID})
    page = client.get(PAGE).text
    assert "none allowed" in words(page)
    assert 'Organization, for this model "winter" <sale> until Mar 16, 2026, 12:30:00' in words(page)
    assert "<sale>" not in page
    assert lines(page)["gpt-4o rpm organization_model"]["gauge"] == (1, 1)


def test_what_has_no_limit_is_said_to_have_none(pages, client):
    free = [Rule(scope=Scope.TIER, tier=Tier.FLEX, metric=metric, amount=None, id=1) for metric in Metric]
    pages.arbiter.rule(*free)
    page = client.get(f"{PAGE}?tier=flex&q=gpt").text
    assert re.findall(r'class="free" data-metric="(\w+)"', page) == ["rpm", "itpm", "otpm", "in_flight"]
    assert words(page).count("no limit") == 4
    assert list(lines(page)) == ["gpt-4o"]


def test_calls_that_wait_are_told_with_their_wait(pages, engines, client):
    first, *_ = [pages.arbiter.call(engines.id, CHAT_ID) for _ in range(5)]
    found = lines(client.get(PAGE).text)["gpt-4o"]
    assert (found["queued"], found["wait"]) == ("3", "–")
    pages.clock.advance(20 * SECOND)
    pages.arbiter.end(first)
    found = lines(client.get(PAGE).text)["gpt-4o"]
    assert (found["in_flight"], found["queued"]) == ("2", "2")
    assert found["wait"].endswith(" s")
    assert found["wait"] != "0 s"


def test_the_tier_is_the_one_asked_for_if_it_is_open_else_that_of_most_keys(pages, engines, client):
    assert tier(client.get(PAGE).text) == "flex"
    assert tier(client.get(f"{PAGE}?tier=enterprise").text) == "enterprise"
    with writing(pages.engine) as connection:
        set_organization(connection, engines.id, tiers=[Tier.TEST, Tier.ENTERPRISE])
    for asked in ("", "?tier=flex", "?tier=gold"):
        assert tier(client.get(PAGE + asked).text) == "test"
    assert 'value="flex"' not in client.get(PAGE).text
    pages.key(engines)  # at Flex, which is not open any more
    assert tier(client.get(PAGE).text) == "test"


def test_a_key_has_its_own_limits_and_those_of_others_are_not_there(pages, engines, client):
    ours, theirs = pages.key(engines, "ci"), pages.key(pages.organization("Rivals"), "theirs")
    pages.arbiter.rule(Rule(scope=Scope.KEY, org=engines.id, key=ours.id, metric=Metric.RPM, amount=60, id=1, why="CI"))
    assert "gpt-4o rpm key" not in lines(client.get(PAGE).text)
    name = format_id("key", ours.id)
    page = client.get(f"{PAGE}?key={name}").text
    assert lines(page)["gpt-4o rpm key"]["limit"] == "60 "
    assert f'<option value="{name}" selected>ci<' in page
    assert "theirs" not in page
    for other in (format_id("key", theirs.id), "key_0", "nonsense"):
        answer = client.get(f"{PAGE}?key={other}")
        assert (answer.status_code, "no such key" in answer.text) == (404, True)
        assert client.get(f"{STREAM}?key={other}").status_code == 404
    with writing(pages.engine) as connection:
        revoke_key(connection, ours.id, NOW)
    assert client.get(f"{PAGE}?key={name}").status_code == 404


def test_the_arbiter_is_asked_as_the_organization_or_its_key(pages, engines, client):
    key = pages.key(engines)
    for query, number in (("", 0), (f"&key={format_id('key', key.id)}", key.id)):
        client.get(f"{PAGE}?tier=test{query}")
        look = pages.arbiter.looks[-1]
        assert (look.org, look.key, look.tier) == (engines.id, number, Tier.TEST)


def test_while_nobody_can_tell_the_page_says_so_calmly(pages, client):
    assert re.search(r'id="away"[^>]* hidden', client.get(PAGE).text)
    pages.arbiter.away = True
    answer = client.get(PAGE)
    assert answer.status_code == 200
    assert re.search(r'id="away"[^>]*>', answer.text)[0].endswith('role="status">')
    assert 'data-shape=""' in answer.text
    assert models(answer.text) == []


def test_nothing_sold_and_nothing_found_are_said(pages, client):
    assert "No model fits this search." in client.get(f"{PAGE}?q=zzz").text
    pages.prices = Prices(CHAT)
    assert "No model is sold at this tier" in client.get(PAGE).text


def test_hundreds_of_models_come_page_by_page_and_can_be_searched(pages, client):
    many = [Model(name=f"m-{n:03d}", kind=Kind.CHAT, context_length=1) for n in range(120)]
    pages.prices = Prices(*many)
    for model in many:
        pages.prices.set(model, Tier.FLEX, "input", "1")
    seen, address = [], f"{PAGE}?tier=flex"
    for _ in range(3):
        page = client.get(address).text
        seen.append(models(page))
        following = re.search(r'rel="next" href="([^"]*)"', page)
        address = unescape(following[1]) if following else ""
    assert [len(names) for names in seen] == [50, 50, 20]
    assert [name for names in seen for name in names] == [model.name for model in many]
    assert not address
    assert models(client.get(f"{PAGE}?q=11").text) == ["m-011", *(f"m-11{n}" for n in range(10))]
    assert len(pages.arbiter.looks[-1].models) == 11


@pytest.mark.parametrize("path", [PAGE, STREAM])
def test_who_may_not_see_it_does_not(pages, engines, path, monkeypatch):
    assert TestClient(pages.app, follow_redirects=False).get(path).headers["location"].startswith("/login?next=")
    client = signed_in(pages)
    other = format_id("org", pages.organization("Rivals").id)
    assert client.get(f"{path}?org={other}").status_code == 404
    monkeypatch.setitem(ALLOWED, Role.OWNER, ALLOWED[Role.OWNER] - {Permission.SEE_USAGE})
    assert client.get(path).status_code == 403
    assert pages.arbiter.looks == []


@pytest.mark.parametrize("role", list(Role))
def test_every_member_may_see_the_limits(pages, role):
    pages.person(EMAIL, pages.organization("Engines"), role=role)
    assert signed_in(pages).get(PAGE).status_code == 200


def test_it_is_linked_and_keeps_the_organization(pages, engines):
    second = pages.organization("Second")
    pages.person("eve@example.com", engines, second)
    client = TestClient(pages.app, follow_redirects=False)
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/login").text)[1]
    client.post("/login", data={"csrf": token, "email": "eve@example.com", "password": PASSWORD})
    org = format_id("org", second.id)
    assert f'href="/portal/limits?org={org}"' in client.get(f"/portal/usage?org={org}").text
    page = client.get(f"{PAGE}?org={org}").text
    assert f'name="org" value="{org}"' in page
    assert f"org={org}" in re.search(r'data-stream="([^"]*)"', page)[1]


def test_chinese(client):
    page = client.get(PAGE, headers={"accept-language": "zh-CN"}).text
    assert "每分钟请求数" in page
    assert "需要更高的限额" in page


# --- the stream --------------------------------------------------------------------------------------------------------
@pytest.fixture
def feed(monkeypatch, pages, engines):
    monkeypatch.setattr(module, "EVERY_SECONDS", 0)
    monkeypatch.setattr(module, "STREAMS_MAX", 3)
    feed = LimitsPage(
        WebSite(pages.engine, pages.clock, Brand(), ["puyun.portal"]),
        pages.catalogue,
        pages.arbiter,
        lambda: pages.stopping,
    )
    feed.cookie = signed_in(pages).cookies["puyun-session"]
    return feed


def asked(feed):
    return request_for(STREAM, feed.cookie, "tier=flex&q=gpt")


def told(feed, *steps):
    request = asked(feed)
    return heard(feed._events(request, feed._view(request)), *steps)


def test_a_stream_tells_all_then_what_changed(pages, engines, feed):
    (name, first), (_, same), (_, after) = told(
        feed, nothing, nothing, lambda: pages.arbiter.call(engines.id, CHAT_ID, tokens=60)
    )
    page = lines(signed_in(pages).get(f"{PAGE}?tier=flex&q=gpt").text)
    assert name == "limits"
    assert set(first["figures"]) == set(page)
    assert same["figures"] == {}
    assert same["shape"] == after["shape"] == first["shape"]
    assert set(after["figures"]) == {
        "gpt-4o",
        *(f"gpt-4o {metric} default" for metric in ("rpm", "itpm", "otpm", "in_flight")),
    }
    assert after["figures"]["gpt-4o itpm default"]["used"] == page["gpt-4o itpm default"]["used"] == "60"


def test_a_limit_that_changes_changes_the_shape_which_is_the_pages(pages, engines, feed):
    rule = Rule(scope=Scope.ORGANIZATION, org=engines.id, metric=Metric.RPM, amount=7, id=1)
    (_, before), (_, after) = told(feed, nothing, lambda: pages.arbiter.rule(rule))
    assert before["shape"] != after["shape"]
    assert f'data-shape="{after["shape"]}"' in signed_in(pages).get(f"{PAGE}?tier=flex&q=gpt").text


def test_a_stream_outlives_an_arbiter_that_is_away(pages, feed):
    def away(*, is_away):
        return lambda: setattr(pages.arbiter, "away", is_away)

    events = told(feed, nothing, away(is_away=True), away(is_away=False))
    assert [name for name, _ in events] == ["limits", "away", "limits"]


def test_a_reader_who_may_not_read_on_is_told_and_the_stream_ends(pages, feed, monkeypatch):
    def forbidden():
        monkeypatch.setitem(ALLOWED, Role.OWNER, frozenset())
        pages.clock.advance(module.CHECK_EVERY)

    assert [event and event[0] for event in told(feed, nothing, forbidden, nothing)] == ["limits", "gone", None]


def test_a_stream_ends_when_the_server_wants_to_go(pages, feed):
    assert told(feed, nothing, lambda: setattr(pages, "stopping", True))[-1] is None


def test_streams_that_begin_together_are_bounded(feed):
    async def scene():
        tries = [feed.stream(asked(feed)) for _ in range(10)]
        return await asyncio.gather(*tries, return_exceptions=True)

    refused = [answer for answer in asyncio.run(scene()) if isinstance(answer, PuyunError)]
    assert {(error.code, error.status) for error in refused} == {("too_many_streams", 503)}
    assert len(refused) == 7


def test_an_arbiters_fault_is_not_taken_for_its_absence(pages, feed):
    async def broken(_look):
        raise PuyunError("internal_error", 500, "A bug.")

    pages.arbiter.look = broken
    with pytest.raises(PuyunError):
        told(feed, nothing)
