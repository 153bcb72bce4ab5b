"""The rule book on both engines: rows are added and ended, and a policy is read from them."""

import pytest
from shop import NOON, Shop
from sqlalchemy.exc import IntegrityError

from puyun.catalog.model import Tier
from puyun.kit.clock import HOUR, Instant
from puyun.kit.errors import PuyunError
from puyun.limits.policy import Policy
from puyun.limits.rule import Metric, Subject
from puyun.storage.engine import reading, writing
from puyun.storage.limits.rules import Change, LimitRow, end_limits, list_limits, load_policy, set_limits
from puyun.storage.snapshots import revisions

ANNA = Change(by="anna", why="contract")


def later(hours: int) -> Instant:
    return Instant(NOON + hours * HOUR)


def put(shop: Shop, subject: Subject, change: Change = ANNA, *, at: Instant = NOON, **amounts: int | None) -> list[int]:
    burst = amounts.pop("burst", None)
    with writing(shop.engine) as connection:
        wanted = {Metric(name): amount for name, amount in amounts.items()}
        return [rule.id for rule in set_limits(connection, subject, wanted, change, burst=burst, now=at)]


def end(shop: Shop, subject: Subject, *metrics: Metric, at: Instant = NOON) -> list[LimitRow]:
    with writing(shop.engine) as connection:
        return end_limits(connection, subject, metrics, Change(by="bert", why="over"), now=at)


def policy(shop: Shop, at: Instant = NOON) -> Policy:
    with reading(shop.engine) as connection:
        return load_policy(connection, at)


def amounts(
    shop: Shop, metric: Metric = Metric.RPM, *, model: str = "m", key: int = 0, at: Instant = NOON
) -> list[int]:
    found = policy(shop, at).effective(key, shop.org.id, shop.models[model], Tier.FLEX, at)
    return [rule.amount or 0 for rule in found[metric]]


def test_a_rule_is_read_back_as_it_was_set(shop: Shop) -> None:
    change = Change(by="anna", why="contract 7", starts=later(1), ends=later(5))
    subject = Subject(org=shop.org.id, tier=Tier.FLEX, model="m*")
    (number,) = put(shop, subject, change, itpm=9_000_000, burst=30)
    with reading(shop.engine) as connection:
        (row,) = list_limits(connection, shop.org.id)
    rule = row.rule
    assert (rule.id, rule.scope, rule.org, rule.tier, rule.model) == (
        number,
        "organization_model",
        shop.org.id,
        "flex",
        "m*",
    )
    assert (rule.metric, rule.amount, rule.burst, rule.starts, rule.ends) == ("itpm", 9_000_000, 30, later(1), later(5))
    assert (rule.why, rule.by, rule.created_at, row.ended) == ("contract 7", "anna", NOON, None)


def test_rules_lie_over_one_another_and_what_is_under_them_comes_back(shop: Shop) -> None:
    org = Subject(org=shop.org.id)
    assert amounts(shop) == [300]
    put(shop, org, rpm=1000, in_flight=50)
    assert amounts(shop) == [1000]
    put(shop, org, Change(by="anna", starts=later(2), ends=later(4)), rpm=5000)
    assert [amounts(shop, at=later(hour)) for hour in (1, 2, 3, 4)] == [[1000], [5000], [5000], [1000]]
    put(shop, Subject(org=shop.org.id, model="n"), rpm=7)
    assert amounts(shop, model="n") == [7, 1000]
    assert amounts(shop) == [1000]
    put(shop, Subject(org=shop.org.id, key=shop.key.id), rpm=3)
    assert amounts(shop, key=shop.key.id) == [3, 1000]
    end(shop, org, Metric.RPM, at=later(1))
    assert amounts(shop, at=later(1)) == [300]
    assert amounts(shop, at=later(3)) == [300], "what was to come has ended too"
    assert amounts(shop, Metric.IN_FLIGHT, at=later(1)) == [50]
    put(shop, Subject(tier=Tier.FLEX), at=later(1), rpm=400)
    assert amounts(shop, at=later(1)) == [400]


def test_history_keeps_everything_with_who_and_why(shop: Shop) -> None:
    org = Subject(org=shop.org.id)
    put(shop, org, rpm=1000, otpm=None)
    put(shop, org, Change(by="carl", ends=later(2)), at=later(1), rpm=2000)
    ended = end(shop, org, at=later(3))
    assert [row.rule.metric for row in ended] == ["rpm", "otpm"], "the second one was over already"
    with reading(shop.engine) as connection:
        rows = list_limits(connection, shop.org.id)
        assert list_limits(connection, None) == []
    assert [(row.rule.metric, row.rule.amount, row.rule.by, row.rule.ends) for row in rows] == [
        ("rpm", 1000, "anna", later(3)),
        ("otpm", None, "anna", later(3)),
        ("rpm", 2000, "carl", later(2)),
    ]
    assert [row.ended and (row.ended.at, row.ended.by, row.ended.why) for row in rows] == [
        (later(3), "bert", "over"),
        (later(3), "bert", "over"),
        None,
    ]


def test_a_policy_leaves_out_what_is_over(shop: Shop) -> None:
    org = Subject(org=shop.org.id)
    defaults = len(policy(shop).rules)
    put(shop, org, Change(by="anna", ends=later(1)), rpm=1)
    put(shop, org, Change(by="anna", starts=later(5)), rpm=2)
    put(shop, org, rpm=3)
    end(shop, org, at=later(2))
    put(shop, org, at=later(2), rpm=4)
    put(shop, org, Change(by="anna", starts=later(5)), at=later(2), rpm=5)
    assert [rule.amount for rule in policy(shop, later(2)).rules[defaults:]] == [4, 5]
    assert policy(shop, later(2)).models == {number: name for name, number in shop.models.items()}


def test_running_servers_can_notice(shop: Shop) -> None:
    def revision() -> int:
        with reading(shop.engine) as connection:
            return revisions(connection)["limits"]

    org = Subject(org=shop.org.id)
    before = revision()
    put(shop, org, rpm=1)
    assert revision() == before + 1
    end(shop, org)
    assert revision() == before + 2


REFUSALS = {
    "no such model": ({"model": "x"}, {"rpm": 1}, {}, "model_not_found", 404),
    "no model of such a name": ({"model": "x*"}, {"rpm": 1}, {}, "model_not_found", 404),
    "another's key": ({"key": 999}, {"rpm": 1}, {}, "key_not_found", 404),
    "ends before it begins": ({}, {"rpm": 1}, {"starts": later(2), "ends": later(2)}, "limit_dates", 400),
    "has ended": ({}, {"rpm": 1}, {"ends": NOON}, "limit_dates", 400),
    "below nothing": ({}, {"rpm": -1}, {}, "invalid_limit", 400),
    "beyond what is counted": ({}, {"rpm": 10**12 + 1}, {}, "invalid_limit", 400),
    "no burst": ({}, {"rpm": 1, "burst": 0}, {}, "invalid_limit", 400),
    "a burst of months": ({}, {"rpm": 1, "burst": 10**7}, {}, "invalid_limit", 400),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(shop: Shop, name: str) -> None:
    subject, wanted, dates, code, status = REFUSALS[name]
    with pytest.raises(PuyunError) as refused:
        put(shop, Subject(org=shop.org.id, **subject), Change(by="anna", **dates), **wanted)
    assert (refused.value.code, refused.value.status) == (code, status)
    with reading(shop.engine) as connection:
        assert list_limits(connection, shop.org.id) == []


def test_addresses_have_rates_alone(shop: Shop) -> None:
    with pytest.raises(PuyunError, match="rate alone"):
        put(shop, Subject(), in_flight=4)
    put(shop, Subject(), rpm=600)
    assert policy(shop).of_address(NOON)[Metric.RPM].amount == 600
    with pytest.raises(PuyunError) as refused:
        end(shop, Subject(), Metric.TPM)
    assert refused.value.code == "limit_not_found"


@pytest.mark.parametrize("act", ["UPDATE limit_rule SET amount = 1", "DELETE FROM limit_rule", "DELETE FROM limit_end"])
def test_the_database_itself_keeps_the_history(shop: Shop, act: str) -> None:
    put(shop, Subject(org=shop.org.id), rpm=1000)
    end(shop, Subject(org=shop.org.id))
    with pytest.raises(IntegrityError, match="append-only"), writing(shop.engine) as connection:
        connection.exec_driver_sql(act)


def test_the_database_itself_refuses_a_subject_that_contradicts_its_scope(shop: Shop) -> None:
    row = "INSERT INTO limit_rule (scope, metric, starts, created_at) VALUES ('tier', 'rpm', 0, 0)"
    with pytest.raises(IntegrityError, match="subject"), writing(shop.engine) as connection:
        connection.exec_driver_sql(row)
