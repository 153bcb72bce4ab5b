"""The Keys page: what stands there, for whom, whether there is much to see or nothing."""

import re
from html import unescape

import pytest
from stage.pages import CHAT, Site
from stage.visitor import signed_in
from starlette.testclient import TestClient

from puyun.catalog.model import Tier
from puyun.identity.access import ALLOWED, Permission
from puyun.identity.keys import mint
from puyun.identity.model import KeySpec, Role
from puyun.kit.clock import DAY, HOUR, Instant, ManualClock, parse_instant
from puyun.kit.ids import format_id
from puyun.kit.money import NANO
from puyun.storage.engine import writing
from puyun.storage.identity import create_key, revoke_key
from puyun.storage.keys.listing import PAGE as PAGE_SIZE
from puyun.system.entropy import key_entropy

NOW = parse_instant("2026-03-15T12:30:00Z")
EMAIL = "ada@example.com"
PAGE = "/portal/keys"


@pytest.fixture
def pages(tmp_path, migrated):
    site = Site(tmp_path, migrated, clock=ManualClock(NOW))
    yield site
    site.close()


@pytest.fixture
def engines(pages):
    return pages.organization("Engines")


@pytest.fixture
def client(pages, engines):
    pages.person(EMAIL, engines)
    return signed_in(pages)


def key(pages, organization, *, at=NOW, **spec):
    wanted = KeySpec(**({"tier": Tier.FLEX} | spec))
    with writing(pages.engine) as connection:
        return create_key(connection, organization, wanted, mint(key_entropy()), at)


def words(page):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def rows(page):
    """id: (state, words of the row, addresses of what can be done)."""
    found = re.findall(r'<tr data-key="([^"]*)" data-state="(\w+)">(.*?)</tr>', page, re.DOTALL)
    return {
        name: (state, words(cells), [unescape(link) for link in re.findall(r'href="([^"]*)"', cells)])
        for name, state, cells in found
    }


def test_a_key_stands_there_with_all_that_is_known_of_it(pages, engines, client):
    models = pages.models()
    made = key(
        pages,
        engines,
        name="ci",
        models=(CHAT.name,),
        ips=("203.0.113.0/24", "::1"),
        budget=5 * NANO,
        expires_at=Instant(NOW + DAY),
    )
    pages.used(made, models[CHAT.name], Tier.FLEX, at=NOW - 3 * HOUR, charge=NANO // 2, calls=1)
    pages.used(made, models[CHAT.name], Tier.TEST, at=NOW - 20 * DAY, charge=NANO, calls=1)
    name = format_id("key", made.id)
    state, said, links = rows(client.get(PAGE).text)[name]
    assert state == "active"
    assert links == [f"{PAGE}/{name}/rotate", f"{PAGE}/{name}/revoke"]
    for part in (
        f"ci {made.prefix}…",
        "created Mar 15, 2026",
        "Active until Mar 16, 2026, 12:30:00",
        "Flex gpt-4o 203.0.113.0/24, ::1 3 hours ago $5.00 $0.00 used $0.50",
    ):
        assert part in said.replace("\u202f", " ")


def test_a_key_without_restrictions_says_so(pages, engines, client):
    made = key(pages, engines)
    _, said, _ = rows(client.get(PAGE).text)[format_id("key", made.id)]
    assert said.startswith(f"without a name {made.prefix}…")
    assert "Active no end Flex all anywhere never none $0.00" in said


def test_an_old_key_without_use_is_not_said_to_have_none(pages, engines, client):
    key(pages, engines, at=Instant(NOW - 100 * DAY))
    assert "not in 30 days" in words(client.get(PAGE).text)


def test_keys_that_ended_are_among_all_and_cannot_be_rotated(pages, engines, client):
    ended = key(pages, engines, name="ended", expires_at=Instant(NOW + HOUR))
    gone, kept = key(pages, engines, name="gone"), key(pages, engines, name="kept")
    with writing(pages.engine) as connection:
        revoke_key(connection, gone.id, NOW)
    pages.clock.advance(HOUR)
    assert list(rows(client.get(PAGE).text)) == [format_id("key", kept.id)]
    found = rows(client.get(f"{PAGE}?show=all").text)
    assert {name: (state, len(links)) for name, (state, _, links) in found.items()} == {
        format_id("key", kept.id): ("active", 2),
        format_id("key", gone.id): ("revoked", 0),
        format_id("key", ended.id): ("expired", 1),
    }


def test_many_models_and_addresses_are_folded(pages, engines, client):
    key(pages, engines, ips=tuple(f"10.{number}.0.0/16" for number in range(9)))
    page = client.get(PAGE).text
    assert "10.2.0.0/16, 6 more" in words(page)
    assert "10.8.0.0/16" in page


def test_keys_can_be_searched_and_come_page_by_page(pages, engines, client):
    made = [key(pages, engines, name=f"k {number:02d}") for number in range(PAGE_SIZE + 10)]
    page = client.get(PAGE).text
    assert list(rows(page)) == [format_id("key", each.id) for each in reversed(made[10:])]
    assert "1 to 50 of 60 keys" in words(page)
    following = unescape(re.search(r'rel="next" href="([^"]*)"', page)[1])
    page = client.get(following).text
    assert list(rows(page)) == [format_id("key", each.id) for each in reversed(made[:10])]
    assert "51 to 60 of 60 keys" in words(page)
    assert 'rel="next"' not in page
    assert len(rows(client.get(f"{PAGE}?q=K+1").text)) == 10


def test_a_hostile_name_is_text(pages, engines, client):
    key(pages, engines, name="<script>alert(1)</script>")
    page = client.get(PAGE).text
    assert "<script>alert" not in page
    assert "<script>alert(1)</script>" in words(page)


def test_nothing_there_nothing_active_and_nothing_found_lead_on(pages, engines, client):
    page = client.get(PAGE).text
    assert "No key yet" in page
    assert f'href="{PAGE}/new">Create the first key' in page
    assert 'role="search"' not in page
    made = key(pages, engines)
    page = client.get(f"{PAGE}?q=zzz").text
    assert "No key fits this search." in page
    assert f'href="{PAGE}?show=all"' in page
    with writing(pages.engine) as connection:
        revoke_key(connection, made.id, NOW)
    assert "No key is active" in client.get(PAGE).text


def test_keys_of_another_organization_are_not_there(pages, engines, client):
    theirs = key(pages, pages.organization("Rivals"), name="theirs")
    with writing(pages.engine) as connection:
        revoke_key(connection, theirs.id, NOW)
    page = client.get(f"{PAGE}?show=all&key={format_id('key', theirs.id)}").text
    assert "theirs" not in page


@pytest.mark.parametrize(
    ("role", "create", "others", "own"),
    [
        (Role.VIEWER, False, False, False),
        (Role.MEMBER, True, False, True),
        (Role.ADMIN, True, True, True),
        (Role.OWNER, True, True, True),
    ],
)
def test_each_role_is_offered_what_it_may_do(pages, engines, role, create, others, own):
    user = pages.person(EMAIL, engines, role=role)
    theirs, mine = key(pages, engines, name="theirs"), key(pages, engines, name="mine", member=user.id)
    page = signed_in(pages).get(PAGE).text
    found = rows(page)
    assert bool(found[format_id("key", theirs.id)][2]) == others
    assert bool(found[format_id("key", mine.id)][2]) == own
    assert (f'href="{PAGE}/new"' in page) == create
    assert EMAIL in found[format_id("key", mine.id)][1]


def test_a_viewer_of_no_keys_is_told_whom_to_ask(pages, engines):
    pages.person(EMAIL, engines, role=Role.VIEWER)
    page = signed_in(pages).get(PAGE).text
    assert "Whoever manages your organization can create one." in page
    assert f"{PAGE}/new" not in page


def test_who_may_not_see_it_does_not(pages, client, monkeypatch):
    assert TestClient(pages.app, follow_redirects=False).get(PAGE).headers["location"].startswith("/login?next=")
    other = format_id("org", pages.organization("Rivals").id)
    assert client.get(f"{PAGE}?org={other}").status_code == 404
    monkeypatch.setitem(ALLOWED, Role.OWNER, ALLOWED[Role.OWNER] - {Permission.SEE_USAGE})
    assert client.get(PAGE).status_code == 403


def test_it_is_linked_and_keeps_the_organization(pages, engines):
    second = pages.organization("Second")
    pages.person(EMAIL, engines, second)
    made = key(pages, second)
    org, name = format_id("org", second.id), format_id("key", made.id)
    client = signed_in(pages)
    assert f'href="{PAGE}?org={org}"' in client.get(f"/portal/usage?org={org}").text
    page = client.get(f"{PAGE}?org={org}").text
    assert f'name="org" value="{org}"' in page
    assert rows(page)[name][2] == [f"{PAGE}/{name}/rotate?org={org}", f"{PAGE}/{name}/revoke?org={org}"]
    assert f'href="{PAGE}/new?org={org}"' in page


def test_chinese(pages, engines, client):
    key(pages, engines)
    page = client.get(PAGE, headers={"accept-language": "zh-CN"}).text
    for text in ("本月费用", "最近使用", "轮换", "吊销", "未命名"):
        assert text in page
