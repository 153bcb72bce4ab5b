"""Rows of limits: which models they are of, which pools are named, and what counts in a limit together."""

import asyncio

import msgspec
import pytest
from stage.arbiter import StageArbiter
from stage.pages import CHAT, DEMO, EMBEDDING, SHARED, shop

from puyun.arbiter.rows import Asker, offered, rows
from puyun.catalog.model import Tier
from puyun.kit.clock import SECOND, ManualClock, parse_instant
from puyun.limits.rule import Metric, Rule, Scope

NOW = parse_instant("2026-03-15T12:30:00Z")
ORG = 7


@pytest.fixture
def arbiter():
    return StageArbiter(ManualClock(NOW))


@pytest.fixture
def prices():
    return shop()


def of(arbiter, prices, asker):
    catalogue = prices.snapshot()
    return asyncio.run(rows(arbiter, catalogue, asker, offered(catalogue, asker, NOW)))


@pytest.mark.parametrize(
    ("tier", "models", "names"),
    [
        (Tier.FLEX, frozenset(), [CHAT.name, DEMO.name, EMBEDDING.name]),
        (Tier.ENTERPRISE, frozenset(), [CHAT.name, DEMO.name]),
        (Tier.FLEX, frozenset({EMBEDDING.name, "gone"}), [EMBEDDING.name]),
        (Tier.ENTERPRISE, frozenset({EMBEDDING.name}), []),
    ],
)
def test_a_row_is_of_a_model_that_can_be_called(arbiter, prices, tier, models, names):
    assert [row.model for row in of(arbiter, prices, Asker(ORG, tier, models=models))] == names


@pytest.mark.parametrize(
    ("tier", "org", "named"),
    [
        (Tier.TEST, ORG, ["shared"]),
        (Tier.FLEX, ORG, ["shared"]),
        (Tier.ENTERPRISE, ORG, ["dedicated:engines", "enterprise", "shared"]),
        (Tier.ENTERPRISE, 8, ["enterprise", "shared"]),
    ],
)
def test_pools_set_apart_for_others_are_not_named(arbiter, prices, tier, org, named):
    pools = ("shared", "enterprise", "dedicated:engines", "dedicated:rivals")
    replace = msgspec.structs.replace
    prices.served_by = tuple(replace(SHARED, deployment=replace(SHARED.deployment, pool=pool)) for pool in pools)
    prices.owners = {"dedicated:engines": ORG, "dedicated:rivals": 9}
    assert of(arbiter, prices, Asker(org, tier))[0].pools == named


def test_a_key_sees_its_own_limit_and_the_organization_does_not(arbiter, prices):
    arbiter.rule(Rule(scope=Scope.KEY, org=ORG, key=3, metric=Metric.RPM, amount=60, id=1))
    sources = [
        [limit.source for limit in of(arbiter, prices, Asker(ORG, Tier.FLEX, key))[0].limits if limit.metric == "rpm"]
        for key in (0, 3, 4)
    ]
    assert sources == [["default"], ["key", "default"], ["default"]]


def test_rates_of_the_tier_are_each_models_and_calls_in_flight_are_all_models(arbiter, prices):
    arbiter.rule(Rule(scope=Scope.ORGANIZATION, org=ORG, metric=Metric.RPM, amount=9, id=1, ends=NOW + SECOND))
    arbiter.call(ORG, 1, tokens=60)
    chat, demo, *_ = (
        {limit.metric: limit for limit in row.limits} for row in of(arbiter, prices, Asker(ORG, Tier.FLEX))
    )
    assert {metric for metric, limit in chat.items() if limit.all_models} == {"rpm", "in_flight", "queued"}
    assert (chat["itpm"].used, demo["itpm"].used) == (60, 0)
    assert chat["rpm"] == demo["rpm"]
    assert (chat["rpm"].used, chat["rpm"].ends) == (1, "2026-03-15T12:30:01Z")
    assert chat["in_flight"].used == demo["in_flight"].used == 1
