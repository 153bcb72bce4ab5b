"""Pages of keys: which, in what order, and what the rollups say of each."""

import pytest
from shop import NOON, Shop
from sqlalchemy import insert

from puyun.catalog.model import Tier
from puyun.identity.keys import ENTROPY_BYTES, mint
from puyun.identity.model import ApiKey, KeySpec
from puyun.kit.clock import DAY, HOUR, Instant
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.identity import create_key, create_user, expire_key, revoke_key
from puyun.storage.keys.listing import LOOK_BACK, PAGE, KeyPage, Wanted, page_of_keys

MONTH = Instant(NOON - 24 * DAY - 12 * HOUR)


def page(shop: Shop, *, org: int = 7, now: Instant = NOON, **wanted: object) -> KeyPage:
    with reading(shop.engine) as connection:
        return page_of_keys(connection, org, Wanted(**wanted), since=MONTH, now=now)


def add(shop: Shop, *names: str, member: int | None = None) -> list[ApiKey]:
    with writing(shop.engine) as connection:
        secrets = [mint((100 + number).to_bytes(ENTROPY_BYTES)) for number in range(len(names))]
        return [
            create_key(connection, shop.org, KeySpec(tier=Tier.FLEX, name=name, member=member), secret, NOON)
            for name, secret in zip(names, secrets, strict=True)
        ]


def names(found: KeyPage) -> list[str]:
    return [line.key.name for line in found.lines]


def used(shop: Shop, key: ApiKey, at: int, charge: int, model: int = 1) -> None:
    row = {"org": key.org, "hour": at // HOUR, "key": key.id, "model": model, "tier": 1, "calls": 1}
    with writing(shop.engine) as connection:
        connection.execute(insert(schema.rollup_hour).values(**row, charge=charge))


def test_keys_in_use_stand_there_newest_first_and_all_of_them_on_request(shop: Shop) -> None:
    _, old, gone = add(shop, "a", "b", "c")
    with writing(shop.engine) as connection:
        expire_key(connection, old.id, Instant(NOON + HOUR))
        revoke_key(connection, gone.id, NOON)
    assert names(page(shop)) == ["b", "a", "ci"]
    assert names(page(shop, now=Instant(NOON + HOUR))) == ["a", "ci"]
    assert names(page(shop, active=False)) == ["c", "b", "a", "ci"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("CI", ["ci"]), ("%", ["100 % sure"]), ("_", []), ("普云", ["普云"]), ("sk-puyun-zzzz", []), ("zzz", [])],
)
def test_a_search_is_for_a_part_of_the_name_as_it_is_written(shop: Shop, text: str, expected: list[str]) -> None:
    add(shop, "100 % sure", "普云")
    found = page(shop, text=text)
    assert (names(found), found.found, found.any) == (expected, len(expected), True)


def test_a_search_finds_how_a_key_begins(shop: Shop) -> None:
    assert names(page(shop, text=shop.key.prefix)) == ["ci"]


def test_many_keys_come_page_by_page(shop: Shop) -> None:
    add(shop, *(f"k{number}" for number in range(2 * PAGE)))
    seen, before = [], None
    for place in (0, PAGE, 2 * PAGE):
        found = page(shop, before=before)
        assert (found.place, found.found, found.more) == (place, 2 * PAGE + 1, place < 2 * PAGE)
        seen += [line.key.id for line in found.lines]
        before = seen[-1]
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 2 * PAGE + 1


def test_the_last_use_and_the_charges_of_the_month_come_from_the_rollups(shop: Shop) -> None:
    quiet, ancient = add(shop, "quiet", "ancient")
    for at, charge, model in ((NOON - 2 * HOUR, 5, 1), (NOON - 2 * HOUR, 7, 2), (MONTH, 11, 1), (MONTH - HOUR, 13, 1)):
        used(shop, shop.key, at, charge, model)
    used(shop, ancient, NOON - LOOK_BACK - HOUR, 17)
    found = {line.key.id: (line.used_at, line.charge) for line in page(shop).lines}
    assert found == {shop.key.id: (NOON - 2 * HOUR, 23), quiet.id: (None, 0), ancient.id: (None, 0)}


def test_a_key_says_whose_it_is(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        ada = create_user(connection, "ada@example.com", "", now=NOON)
    add(shop, "mine", member=ada.id)
    assert [line.owner for line in page(shop).lines] == ["ada@example.com", ""]


def test_an_organization_without_keys_has_none_of_anothers(shop: Shop) -> None:
    found = page(shop, org=8, active=False)
    assert (found.lines, found.found, found.any, found.more) == ([], 0, False, False)
