"""Who writes an event: each with its cause, once, and gone with it when that is undone."""

from contextlib import suppress

from shop import Shop
from sqlalchemy import Engine, text

from puyun.catalog.model import Price, Tier
from puyun.identity.keys import mint
from puyun.identity.model import KeySpec, Membership, Role
from puyun.kit.clock import DAY, HOUR
from puyun.kit.money import NANO
from puyun.metering.usage import Usage
from puyun.notices.kinds import KeyRevoked, Kind, MemberJoined, MemberRemoved, PriceAnnounced, TopUpCredited
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_key, create_user, revoke_key, set_membership
from puyun.storage.members.invitations import accept, invite
from puyun.storage.members.people import remove
from puyun.storage.notify.events import USED_WITHIN, Happened, page_of_events
from puyun.storage.people.closing import close_user
from puyun.storage.prices import set_price
from puyun.storage.wallets import MoneyKind, top_up
from puyun.system.entropy import key_entropy


def events(engine: Engine, org: int, *kinds: Kind) -> list[Happened]:
    with reading(engine) as connection:
        return page_of_events(connection, org, kinds or tuple(Kind)).rows


def test_a_payment_is_told_once_however_often_it_is_posted(engine: Engine, shop: Shop) -> None:
    before = len(events(engine, shop.org.id, Kind.TOPUP_CREDITED))
    for _ in range(2):
        with writing(engine) as connection:
            top_up(connection, shop.org.id, 3 * NANO, kind=MoneyKind.PAID, ref="wire", now=shop.clock.now())
            top_up(connection, shop.org.id, 3 * NANO, kind=MoneyKind.BONUS, ref="gift", now=shop.clock.now())
    newest, *rest = events(engine, shop.org.id, Kind.TOPUP_CREDITED)
    assert len(rest) == before
    assert isinstance(newest.payload, TopUpCredited)
    assert (newest.payload.amount, newest.payload.reference) == (3 * NANO, "wire")


def test_what_is_undone_has_not_happened(engine: Engine, shop: Shop) -> None:
    before = events(engine, shop.org.id)
    with suppress(ZeroDivisionError), writing(engine) as connection:
        top_up(connection, shop.org.id, NANO, kind=MoneyKind.PAID, ref="undone", now=shop.clock.now())
        _ = 1 // 0
    assert events(engine, shop.org.id) == before


def test_a_key_is_told_of_when_it_comes_and_once_when_it_goes(engine: Engine, shop: Shop) -> None:
    now = shop.clock.now()
    with writing(engine) as connection:
        key = create_key(connection, shop.org, KeySpec(tier=Tier.FLEX, name="ci"), mint(key_entropy()), now)
        revoke_key(connection, key.id, now)
        revoke_key(connection, key.id, now)
    newest, before, *_ = events(engine, shop.org.id, Kind.KEY_CREATED, Kind.KEY_REVOKED)
    assert (newest.kind, before.kind) == (Kind.KEY_REVOKED, Kind.KEY_CREATED)
    assert isinstance(newest.payload, KeyRevoked)
    assert (newest.payload.name, newest.payload.prefix) == ("ci", key.prefix)


def test_members_come_and_go_and_their_address_goes_with_them_for_good(engine: Engine, shop: Shop) -> None:
    now, org = shop.clock.now(), shop.org.id
    with writing(engine) as connection:
        owner = create_user(connection, "own@example.com", "", now=now)
        set_membership(connection, Membership(org=org, user=owner.id, role=Role.OWNER))
        user = create_user(connection, "new@example.com", "", now=now)
        invite(connection, org, user.email, Role.MEMBER, secret="s", actor=owner.id, now=now)
        accept(connection, "s", user.id, user.email, now)
        remove(connection, org, user.id, actor=owner.id, now=now)
    gone, came = events(engine, org, Kind.MEMBER_JOINED, Kind.MEMBER_REMOVED)
    assert isinstance(gone.payload, MemberRemoved)
    assert isinstance(came.payload, MemberJoined)
    assert (gone.payload.email, came.payload.role) == ("new@example.com", Role.MEMBER)
    with writing(engine) as connection:
        close_user(connection, user.id, now)
        assert "new@example.com" not in str(connection.execute(text("SELECT data FROM event")).all())
    assert len(events(engine, org, Kind.MEMBER_JOINED, Kind.MEMBER_REMOVED)) == 2


def change(shop: Shop, engine: Engine, model: str, *meters: str, tier: Tier = Tier.FLEX) -> None:
    now = shop.clock.now()
    with writing(engine) as connection:
        for meter in meters:
            set_price(connection, Price(model=model, tier=tier, meter=meter, amount=9), who="ops", now=now)


def test_prices_of_what_is_used_are_told_once_for_all_meters(engine: Engine, shop: Shop) -> None:
    shop.sell(Usage(input=10, output=1), model="m")
    change(shop, engine, "n", "input")
    change(shop, engine, "m", "input", tier=Tier.ENTERPRISE)
    assert events(engine, shop.org.id, Kind.PRICE_ANNOUNCED) == []
    change(shop, engine, "m", "input", "output")
    [event] = events(engine, shop.org.id, Kind.PRICE_ANNOUNCED)
    assert isinstance(event.payload, PriceAnnounced)
    assert (event.payload.model, event.payload.tier) == ("m", "flex")


def test_prices_of_what_was_used_long_ago_are_not(engine: Engine, shop: Shop) -> None:
    shop.sell(Usage(input=10, output=1), model="m")
    shop.clock.advance(USED_WITHIN + 2 * HOUR)
    change(shop, engine, "m", "input")
    assert events(engine, shop.org.id, Kind.PRICE_ANNOUNCED) == []
    assert USED_WITHIN == 30 * DAY
