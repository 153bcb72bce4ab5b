"""On each engine."""

import threading

import pytest

from puyun.catalog.model import Tier
from puyun.identity.model import KeySpec, Membership, OrganizationStatus, Role
from puyun.kit.clock import DAY, Instant
from puyun.kit.money import NANO
from puyun.storage.engine import reading, writing
from puyun.storage.identity import (
    create_key,
    create_organization,
    create_user,
    find_user,
    list_keys,
    list_members,
    load_organization,
    password_hash,
    set_membership,
)
from puyun.storage.people.closing import NotYetError, close_user, obstacles
from puyun.storage.security.passkeys import NewPasskey, add_passkey, find_passkey
from puyun.storage.security.second import (
    begin_second_step,
    find_pending,
    find_second_step,
    open_pending,
    set_codes,
    use_code,
)
from puyun.storage.sessions import find_session, open_session
from puyun.storage.wallets import MoneyKind, top_up

NOW = Instant(1000 * DAY)
ENGINES = 7


@pytest.fixture
def people(engine):
    """Ada owns Engines; Bob is a member of it."""
    with writing(engine) as connection:
        create_organization(connection, "Engines", org=ENGINES, tiers=[Tier.FLEX], currency="USD", now=NOW)
        found = {}
        for name, role in (("ada", Role.OWNER), ("bob", Role.MEMBER)):
            found[name] = create_user(connection, f"{name}@example.com", "hash", now=NOW).id
            set_membership(connection, Membership(org=ENGINES, user=found[name], role=role))
    return found


def key_of(engine, user, number):
    with writing(engine) as connection:
        organization = load_organization(connection, ENGINES)
        spec = KeySpec(tier=Tier.FLEX, member=user)
        return create_key(connection, organization, spec, f"sk-puyun-{number}", NOW).id


def close(engine, user):
    with writing(engine) as connection:
        close_user(connection, user, NOW)


def test_who_goes_leaves_no_address_no_session_and_no_key_that_works(engine, people):
    mine, ours = key_of(engine, people["bob"], 1), key_of(engine, None, 2)
    with writing(engine) as connection:
        open_session(connection, b"cookie", people["bob"], agent="", now=NOW)
    close(engine, people["bob"])
    with reading(engine) as connection:
        assert find_user(connection, "bob@example.com") is None
        assert password_hash(connection, people["bob"]) == ""
        assert find_session(connection, b"cookie", NOW) is None
        assert [user.email for user, _ in list_members(connection, ENGINES)] == ["ada@example.com"]
        assert {key.id: key.usable(NOW) for key in list_keys(connection, ENGINES)} == {mine: False, ours: True}
        assert load_organization(connection, ENGINES).status is OrganizationStatus.ACTIVE


def test_nothing_that_lets_in_is_left(engine, people):
    bob = people["bob"]
    with writing(engine) as connection:
        add_passkey(connection, bob, NewPasskey(credential=b"c", public_key=b"p", signs=0, name="phone"), NOW)
        begin_second_step(connection, bob, b"sealed", NOW)
        set_codes(connection, bob, [b"one"])
        open_pending(connection, b"cookie", bob, NOW)
    close(engine, bob)
    with reading(engine) as connection:
        assert find_passkey(connection, b"c") is None
        assert find_second_step(connection, bob) is None
        assert not use_code(connection, bob, b"one")
        assert find_pending(connection, b"cookie", NOW) is None


def test_an_address_that_was_left_can_be_taken_again(engine, people):
    close(engine, people["bob"])
    with writing(engine) as connection:
        assert create_user(connection, "bob@example.com", "", now=NOW).id != people["bob"]


def test_the_only_owner_among_others_stays_until_there_is_another(engine, people):
    with pytest.raises(NotYetError) as refused:
        close(engine, people["ada"])
    [obstacle] = refused.value.obstacles
    assert (obstacle.organization.id, obstacle.paid) == (ENGINES, None)
    with reading(engine) as connection:
        assert find_user(connection, "ada@example.com")
    with writing(engine) as connection:
        set_membership(connection, Membership(org=ENGINES, user=people["bob"], role=Role.OWNER))
    close(engine, people["ada"])


def test_the_last_one_stays_while_there_is_money_and_takes_the_organization_along(engine, people):
    close(engine, people["bob"])
    key = key_of(engine, None, 1)
    with writing(engine) as connection:
        top_up(connection, ENGINES, 3 * NANO, kind=MoneyKind.BONUS, ref="b", now=NOW)
        assert obstacles(connection, people["ada"]) == []
        top_up(connection, ENGINES, 2 * NANO, kind=MoneyKind.PAID, ref="p", now=NOW)
    with reading(engine) as connection:
        [obstacle] = obstacles(connection, people["ada"])
    assert obstacle.paid == 2 * NANO
    with pytest.raises(NotYetError):
        close(engine, people["ada"])
    with reading(engine) as connection:
        assert [each.id for each in list_keys(connection, ENGINES) if each.usable(NOW)] == [key]


def test_the_last_one_without_money_leaves_an_organization_that_serves_nobody(engine, people):
    close(engine, people["bob"])
    key_of(engine, None, 1)
    close(engine, people["ada"])
    with reading(engine) as connection:
        assert load_organization(connection, ENGINES).status is OrganizationStatus.SUSPENDED
        assert not any(key.usable(NOW) for key in list_keys(connection, ENGINES))


def test_of_two_owners_who_go_at_once_one_stays(engine, people):
    with writing(engine) as connection:
        set_membership(connection, Membership(org=ENGINES, user=people["bob"], role=Role.OWNER))
        eve = create_user(connection, "eve@example.com", "hash", now=NOW).id
        set_membership(connection, Membership(org=ENGINES, user=eve, role=Role.VIEWER))
    refused = []

    def go():
        try:
            close(engine, people["bob"])
        except NotYetError:
            refused.append("bob")

    later = threading.Thread(target=go)
    with writing(engine) as connection:
        close_user(connection, people["ada"], NOW)
        later.start()
        later.join(0.5)  # whoever does not wait for the first one's end gets through here
    later.join()
    assert refused == ["bob"]
    with reading(engine) as connection:
        assert [role for _, role in list_members(connection, ENGINES)].count(Role.OWNER) == 1
