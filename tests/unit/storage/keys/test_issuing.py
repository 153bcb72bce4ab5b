"""A rotated key may do what the old one may, and no more than that."""

import pytest
from shop import NOON, Shop
from sqlalchemy import Connection, insert, update

from puyun.catalog.model import Tier
from puyun.identity.keys import ENTROPY_BYTES, well_formed
from puyun.identity.model import ApiKey, KeySpec
from puyun.kit.clock import DAY, HOUR, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.ledger.budget import Period, Subject
from puyun.limits import rule
from puyun.limits.rule import Metric
from puyun.storage.budgets import tables
from puyun.storage.budgets.budgets import list_budgets, set_budget
from puyun.storage.engine import reading, writing
from puyun.storage.identity import find_keys, list_keys, revoke_key
from puyun.storage.keys.issuing import Issued, Rotation, issue_key, rotate_key
from puyun.storage.limits.rules import Change, end_limits, list_limits, set_limits

ENTROPY = bytes(range(ENTROPY_BYTES))


def rotate(shop: Shop, key: ApiKey, overlap: int = 0, expires_at: Instant | None = None) -> Issued:
    with writing(shop.engine) as connection:
        rotation = Rotation(overlap=overlap, expires_at=expires_at)
        return rotate_key(connection, shop.org, key, rotation, entropy=ENTROPY, now=NOON)


def spent(connection: Connection, key: ApiKey, amount: int) -> None:
    """As settled calls leave it in the key's budget for its whole life."""
    [budget] = [each for each in list_budgets(connection, key.org, NOON) if each.number == key.id]
    connection.execute(insert(tables.budget_window).values(budget=budget.id, number=0, spent=amount, held=0))


def test_a_new_key_comes_with_the_one_secret_that_fits_it(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        issued = issue_key(connection, shop.org, KeySpec(tier=Tier.TEST, name="ci"), ENTROPY, NOON)
    with reading(shop.engine) as connection:
        assert find_keys(connection, issued.secret) == [issued.key]
    assert well_formed(issued.secret)
    assert issued.secret not in repr(issued)


def test_the_settings_go_over_and_the_old_key_ends_after_the_overlap(shop: Shop) -> None:
    spec = KeySpec(tier=Tier.TEST, name="ci", models=("m",), ips=("10.0.0.0/8",))
    with writing(shop.engine) as connection:
        old = issue_key(connection, shop.org, spec, bytes(ENTROPY_BYTES), NOON).key
    new = rotate(shop, old, HOUR, Instant(NOON + DAY)).key
    assert (new.tier, new.name, new.models, new.ips) == (old.tier, old.name, old.models, old.ips)
    assert new.expires_at == NOON + DAY
    with reading(shop.engine) as connection:
        found = {key.id: key for key in list_keys(connection, shop.org.id)}
    assert (found[old.id].expires_at, found[old.id].revoked_at) == (NOON + HOUR, None)
    assert found[old.id].revision > old.revision


def test_without_overlap_the_old_key_is_revoked(shop: Shop) -> None:
    rotate(shop, shop.key)
    with reading(shop.engine) as connection:
        assert list_keys(connection, shop.org.id)[0].revoked_at == NOON


def test_an_overlap_never_makes_a_key_live_longer(shop: Shop) -> None:
    soon = Instant(NOON + HOUR)
    with writing(shop.engine) as connection:
        spec = KeySpec(tier=Tier.TEST, expires_at=soon)
        old = issue_key(connection, shop.org, spec, bytes(ENTROPY_BYTES), NOON).key
    rotate(shop, old, 7 * DAY)
    with reading(shop.engine) as connection:
        assert {key.id: key.expires_at for key in list_keys(connection, shop.org.id)}[old.id] == soon


def test_rotating_renews_no_money(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        spent(connection, shop.key, 3 * NANO)
        set_budget(
            connection, 7, Subject.KEY, shop.key.id, period=Period.DAY, amount=2 * NANO, hard=False, by="anna", now=NOON
        )
    new = rotate(shop, shop.key, HOUR).key
    with reading(shop.engine) as connection:
        budgets = [each for each in list_budgets(connection, 7, NOON) if each.number == new.id]
    assert {(each.period, each.amount, each.hard, each.created_by) for each in budgets} == {
        (Period.TOTAL, NANO, True, ""),
        (Period.DAY, 2 * NANO, False, "anna"),
    }


def test_a_key_whose_budget_is_used_up_is_not_rotated_and_nothing_is_left_behind(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        spent(connection, shop.key, 4 * NANO)
    with pytest.raises(PuyunError) as refused:
        rotate(shop, shop.key)
    assert (refused.value.code, refused.value.status) == ("budget_used_up", 409)
    with reading(shop.engine) as connection:
        [only] = list_keys(connection, shop.org.id)
    assert only.revoked_at is None


def test_a_soft_budget_that_is_used_up_stays_behind(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        spent(connection, shop.key, 4 * NANO)
        connection.execute(update(tables.budget).values(hard=0))
    new = rotate(shop, shop.key).key
    with reading(shop.engine) as connection:
        assert [each for each in list_budgets(connection, 7, NOON) if each.number == new.id] == []


def test_limits_of_the_key_go_over_but_not_those_that_have_ended(shop: Shop) -> None:
    subject = rule.Subject(org=7, key=shop.key.id)
    change = Change(by="anna", why="a loop", ends=Instant(NOON + DAY))
    with writing(shop.engine) as connection:
        set_limits(connection, subject, {Metric.RPM: 5}, change, now=NOON)
        set_limits(connection, subject, {Metric.TPM: 9}, change, now=NOON)
        end_limits(connection, subject, [Metric.TPM], change, now=NOON)
    new = rotate(shop, shop.key, HOUR).key
    with reading(shop.engine) as connection:
        [copied] = [row.rule for row in list_limits(connection, 7) if row.rule.key == new.id]
    assert (copied.metric, copied.amount, copied.ends) == (Metric.RPM, 5, NOON + DAY)
    assert (copied.by, copied.why) == ("anna", "a loop")


def test_a_key_that_has_ended_is_not_rotated(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        revoked = revoke_key(connection, shop.key.id, NOON)
    with pytest.raises(PuyunError) as refused:
        rotate(shop, revoked)
    assert refused.value.code == "key_not_usable"
