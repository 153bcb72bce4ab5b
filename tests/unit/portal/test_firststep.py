"""To which model a first call goes."""

import pytest
from stage.pages import CHAT, DEMO, EMBEDDING, Prices, shop

from puyun.catalog.model import TIERS, Tier
from puyun.kit.clock import Instant
from puyun.portal.firststep import choices, choose, progress
from puyun.pricing.offers import list_offers

NOW = Instant(1)


def sold(prices, tiers=TIERS):
    offers = list_offers(prices.models, prices.book, revision=prices.revision, now=NOW).offers
    return choices(offers, prices.book, tiers, NOW)


def test_chat_models_in_the_order_of_daily_use_then_of_cost():
    found = [(choice.model.name, choice.tier) for choice in sold(shop())]
    assert found == [
        (DEMO.name, "flex"),
        (CHAT.name, "flex"),
        (DEMO.name, "test"),
        (CHAT.name, "test"),
        (DEMO.name, "enterprise"),
        (CHAT.name, "enterprise"),
    ]


def test_only_tiers_that_the_organization_has():
    assert {choice.tier for choice in sold(shop(), (Tier.TEST,))} == {Tier.TEST}
    assert sold(shop(), ()) == []


def test_what_is_no_chat_or_has_no_price_is_not_called():
    prices = Prices(EMBEDDING, CHAT)
    prices.set(EMBEDDING, Tier.FLEX, "input", "0.13")
    prices.set(CHAT, Tier.FLEX, "output", "1", start=10)
    assert sold(prices) == []


def test_the_needed_amount_is_that_of_the_call_rounded_up():
    """300 tokens at 2.50 and 100 at 10.00 a million."""
    prices = Prices(CHAT)
    prices.set(CHAT, Tier.FLEX, "input", "2.50")
    prices.set(CHAT, Tier.FLEX, "output", "10.00")
    [choice] = sold(prices)
    assert choice.needed == 1_750_000


@pytest.mark.parametrize(("available", "tier"), [(10**9, Tier.FLEX), (10_000, Tier.TEST), (0, Tier.TEST)])
def test_the_first_that_can_be_paid_else_the_cheapest(available, tier):
    prices = Prices(CHAT)
    for each, price in ((Tier.TEST, "0.01"), (Tier.FLEX, "10"), (Tier.ENTERPRISE, "20")):
        prices.set(CHAT, each, "input", price)
        prices.set(CHAT, each, "output", price)
    found = sold(prices)
    choice = choose(found, available)
    assert choice.tier is tier
    assert progress(choice, available, None).missing == ("" if available else "credit")


def test_where_nothing_is_sold_a_model_is_missing():
    assert choose([], 10**9) is None
    assert progress(None, 10**9, None).missing == "model"
    assert not progress(None, 10**9, None).done
