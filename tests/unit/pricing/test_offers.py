import msgspec

from puyun.catalog.model import Kind, Model, Tier
from puyun.kit.clock import DAY, Instant
from puyun.pricing.offers import list_offers, public_prices
from puyun.pricing.pricebook import PriceBook, PriceRow

NOW = Instant(100 * DAY)
CHAT = Model(name="gpt-4o", kind=Kind.CHAT, context_length=128_000, vendor="openai")
MODEL = Model(name="embed-3", kind=Kind.EMBEDDING, context_length=8192, vendor="openai")
OTHER = Model(name="a-model", kind=Kind.EMBEDDING, context_length=1)


def row(number, meter, amount, tier=Tier.FLEX, start=0, model="embed-3"):
    return PriceRow(
        id=number,
        model=model,
        tier=tier,
        meter=meter,
        amount=amount,
        effective_from=Instant(start),
        created_at=Instant(0),
    )


def offers(*rows, models=(CHAT, MODEL, OTHER), now=NOW):
    return list_offers(models, PriceBook(rows), revision=7, now=now)


def test_prices_are_those_of_the_book_with_fallbacks():
    own = {"input": 2_500_000, "output": 10_000_000, "cached_input": 1_250_000}
    found = offers(*(row(number, meter, own[meter], model="gpt-4o") for number, meter in enumerate(own)))
    (offer,) = found.offers
    assert (offer.model, offer.tier) == (CHAT, Tier.FLEX)
    assert offer.prices == {
        "input": 2_500_000,
        "cached_input": 1_250_000,
        "cache_write": 2_500_000,
        "cache_write_1h": 2_500_000,
        "image_input": 2_500_000,
        "output": 10_000_000,
        "reasoning": 10_000_000,
    }
    assert offer.own == {"input", "output", "cached_input"}
    assert offer.next is None
    assert found.until is None


def test_an_unpriced_tier_or_model_is_not_offered():
    found = offers(row(1, "input", 1, tier=Tier.TEST), row(2, "output", 5, tier=Tier.FLEX))
    assert [(offer.model.name, offer.tier) for offer in found.offers] == [("embed-3", Tier.TEST)]


def test_a_price_row_of_a_model_that_is_no_longer_in_the_catalogue_is_not_offered():
    assert offers(row(1, "input", 1), models=(OTHER,)).offers == ()


def test_offers_come_by_name_and_then_by_tier():
    rows = [row(1, "input", 1, tier=tier, model=model) for model in ("embed-3", "a-model") for tier in reversed(Tier)]
    names = [(offer.model.name, offer.tier) for offer in offers(*rows).offers]
    assert names == [(model, tier) for model in ("a-model", "embed-3") for tier in Tier]


def test_the_next_change_is_the_soonest_and_the_newest_row_wins():
    start = NOW + DAY
    found = offers(
        row(1, "input", 100),
        row(2, "input", 90, start=start),
        row(3, "output", 80, start=start),
        row(4, "input", 70, start=start),
        row(5, "input", 10, start=start + DAY),
    )
    (offer,) = found.offers
    assert offer.next is not None
    assert offer.next.effective_from == start
    assert offer.next.prices == {"input": 70, "output": 80}
    assert found.until == start


def test_an_announced_offer_is_shown_before_it_is_sold():
    (offer,) = offers(row(1, "input", 100, start=NOW + 1)).offers
    assert offer.prices == {}
    assert offer.next is not None


def test_an_announced_withdrawal_of_what_is_not_sold_is_nothing():
    assert offers(row(1, "input", None, start=NOW + 1)).offers == ()


def test_the_version_changes_with_the_catalogue_and_when_a_price_takes_effect():
    rows = (row(1, "input", 100), row(2, "input", 90, start=NOW + DAY))
    before, after = offers(*rows), offers(*rows, now=Instant(NOW + DAY))
    assert before.version != after.version
    assert after.offers[0].prices["input"] == 90


def test_the_public_form_has_decimal_strings_and_dates():
    found = offers(row(1, "input", 2_500_000), row(2, "input", None, start=NOW + DAY))
    assert msgspec.json.decode(msgspec.json.encode(public_prices(found, "USD"))) == {
        "currency": "USD",
        "unit": "per million tokens",
        "revision": 7,
        "as_of": "1970-04-11T00:00:00Z",
        "next_change": "1970-04-12T00:00:00Z",
        "offers": [
            {
                "model": "embed-3",
                "tier": "flex",
                "kind": "embedding",
                "vendor": "openai",
                "context_length": 8192,
                "label": "",
                "prices": dict.fromkeys(
                    ("input", "cached_input", "cache_write", "cache_write_1h", "image_input"), "2.50"
                ),
                "next": {"from": "1970-04-12T00:00:00Z", "prices": {"input": None}},
            }
        ],
    }
