"""Budgets of members: who may set them, what they refuse, and what the pages say of them."""

import re
import shutil

import pytest
from shop import Shop
from stage.pages import Site
from stage.visitor import signed_in

from puyun.catalog.model import Tier
from puyun.identity.keys import mint
from puyun.identity.model import KeySpec, Role
from puyun.kit.money import NANO
from puyun.ledger.budget import Period, Subject
from puyun.ledger.command import Hold, Refused
from puyun.storage.budgets.budgets import list_budgets
from puyun.storage.engine import open_engine, reading, sqlite_path, writing
from puyun.storage.identity import create_key
from puyun.system.entropy import key_entropy

PATH = "/portal/settings/members"


@pytest.fixture
def shop(tmp_path, migrated):
    shutil.copy(migrated, sqlite_path(tmp_path))
    engine = open_engine(sqlite_path(tmp_path))
    shop = Shop(engine, sqlite_path(tmp_path))
    yield shop
    shop.store.close()
    engine.dispose()


@pytest.fixture
def pages(tmp_path, shop):
    site = Site(tmp_path, clock=shop.clock)
    yield site
    site.close()


@pytest.fixture
def mel(pages, shop):
    return pages.person("mel@example.com", shop.org, role=Role.MEMBER)


@pytest.fixture
def ada(pages, shop):
    pages.person("ada@example.com", shop.org)
    return signed_in(pages)


def post(client, path, **fields):
    shown = client.get("/portal/settings/security/password").text
    return client.post(path, data={"csrf": re.search(r'name="csrf" value="(\w*)"', shown)[1]} | fields)


def given(shop):
    with reading(shop.engine) as connection:
        found = list_budgets(connection, 7, shop.clock.now())
    return [each for each in found if each.subject is Subject.MEMBER]


def place(user):
    return f"{PATH}/{user.id}/budget"


def set_one(client, user, amount="0.02", period="day", kind="hard"):
    return post(client, place(user), amount=amount, period=period, kind=kind)


def test_a_budget_refuses_the_members_keys_and_no_others(ada, shop, mel):
    assert set_one(ada, mel).headers["location"] == f"{place(mel)}?said=set"
    with writing(shop.engine) as connection:
        spec = KeySpec(tier=Tier.FLEX, name="mel's", member=mel.id)
        keys = [create_key(connection, shop.org, spec, mint(key_entropy()), shop.clock.now()) for _ in range(2)]

    def hold(key, member):
        call = shop.calls.next(shop.clock.now())
        amount = 15 * NANO // 1000
        return shop.store.commit([Hold(7, call, key.id, amount, shop.models["m"], Tier.FLEX, member)])[0]

    assert not isinstance(hold(keys[0], mel.id), Refused)
    refused = hold(keys[1], mel.id)
    assert isinstance(refused, Refused)
    assert (refused.subject, refused.period) == (Subject.MEMBER, Period.DAY)
    assert not isinstance(hold(shop.key, 0), Refused)
    page = ada.get(PATH).text
    assert "$0.015 of $0.02 a day" in page
    assert 'value="750"' in page


def test_setting_again_changes_the_amount_and_ending_ends_it(ada, shop, mel):
    set_one(ada, mel)
    set_one(ada, mel, amount="3")
    set_one(ada, mel, amount="9", period="month", kind="soft")
    first, second = given(shop)
    assert [(each.amount, each.period, each.hard) for each in (first, second)] == [
        (3 * NANO, Period.DAY, True),
        (9 * NANO, Period.MONTH, False),
    ]
    assert first.created_by.startswith("user_")
    page = ada.get(place(mel)).text
    assert "gives notice only" in page
    assert post(ada, f"{place(mel)}/{first.id}/end").headers["location"] == f"{place(mel)}?said=ended"
    assert given(shop) == [second]
    assert post(ada, f"{place(mel)}/{first.id}/end").status_code == 404


@pytest.mark.parametrize("amount", ["", "0", "-1", "ten", "1e3", "9999999999999"])
def test_no_amount_is_said_at_its_field_and_nothing_is_lost(ada, shop, mel, amount):
    answer = set_one(ada, mel, amount=amount, period="total", kind="soft")
    assert answer.status_code == 400
    assert 'id="fault-amount"' in answer.text
    assert f'value="{amount}"' in answer.text
    assert re.search(r'value="total" checked', answer.text)
    assert given(shop) == []


@pytest.mark.parametrize("fields", [{"period": "year"}, {"kind": "x"}])
def test_what_our_form_does_not_send_is_refused(ada, shop, mel, fields):
    assert set_one(ada, mel, **fields).status_code == 400
    assert given(shop) == []


def test_a_budget_of_somebody_else_is_not_ended_by_this_address(ada, pages, shop, mel):
    zoe = pages.person("zoe@example.com", shop.org, role=Role.MEMBER)
    set_one(ada, zoe)
    [budget] = given(shop)
    assert post(ada, f"{place(mel)}/{budget.id}/end").status_code == 404
    assert given(shop) == [budget]


def test_who_is_no_member_has_no_budget(ada, pages, shop):
    eve = pages.person("eve@example.com", pages.organization("Looms"))
    assert ada.get(place(eve)).status_code == 404
    assert set_one(ada, eve).status_code == 404
    assert given(shop) == []


@pytest.mark.parametrize(
    ("role", "of", "status"),
    [
        (Role.ADMIN, Role.MEMBER, 303),
        (Role.ADMIN, Role.OWNER, 403),
        (Role.OWNER, Role.OWNER, 303),
        (Role.MEMBER, Role.MEMBER, 403),
        (Role.VIEWER, Role.MEMBER, 403),
        (Role.BILLING, Role.MEMBER, 403),
    ],
)
def test_roles(pages, shop, role, of, status):
    pages.person("ada@example.com", shop.org, role=role)
    target = pages.person("zoe@example.com", shop.org, role=of)
    client = signed_in(pages)
    assert set_one(client, target).status_code == status
    assert len(given(shop)) == (status == 303)


def test_a_forged_form_changes_nothing(ada, shop, mel):
    answer = ada.post(place(mel), data={"csrf": "0" * 64, "amount": "1", "period": "day", "kind": "hard"})
    assert answer.status_code == 403
    assert given(shop) == []
