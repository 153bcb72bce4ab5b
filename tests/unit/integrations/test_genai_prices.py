"""The starter catalogue obeys its own rules, on the data of the installed wheel and on data made for one rule each."""

from datetime import date, time
from decimal import Decimal
from fractions import Fraction

import pytest
from genai_prices import types as genai
from genai_prices.data import providers as records

from puyun.catalog.file import parse
from puyun.catalog.model import TIERS, CatalogFile, Kind, Price, Tier
from puyun.catalog.validate import check
from puyun.integrations import genai_prices
from puyun.integrations.genai_prices import SOURCES, parse_markup, starter, starter_toml
from puyun.kit.clock import Instant, parse_instant, to_datetime
from puyun.kit.errors import PuyunError

NOW = parse_instant("2026-11-25T12:00:00Z")
DECEMBER = parse_instant("2026-12-01T00:00:00Z")
MARKUP = "test=0.9,flex=1.0,enterprise=1.15"
OPENAI = SOURCES[0]


def prices_of(model: str, file: CatalogFile) -> dict[tuple[Tier, str], int | None]:
    return {(price.tier, price.meter): price.amount for price in file.prices if price.model == model}


def sold(info: genai.ModelInfo, monkeypatch: pytest.MonkeyPatch, now: Instant = NOW) -> list[Price]:
    """The Flex prices at cost of a shop whose vendor has this one model."""
    monkeypatch.setitem(genai_prices.RECORDS, "openai", genai.Provider("openai", "OpenAI", "", models=[info]))
    monkeypatch.setattr(genai_prices, "SOURCES", (OPENAI,))
    return list(starter({Tier.FLEX: Fraction(1)}, now).prices)


def info(prices: genai.ModelPrice | list[genai.ConditionalPrice], **changes: object) -> genai.ModelInfo:
    fields = {"id": "gpt-9", "context_window": 1000, **changes}
    return genai.ModelInfo(match=genai.ClauseEquals("gpt-9"), prices=prices, **fields)


def priced(**changes: Decimal | genai.TieredPrices | None) -> genai.ModelPrice:
    usual = {"input_mtok": Decimal(2), "cache_read_mtok": Decimal("0.5"), "output_mtok": Decimal(8)}
    return genai.ModelPrice(**{**usual, **changes})


# the wheel that is installed


def test_the_starter_is_a_catalogue_without_fault() -> None:
    text = starter_toml(MARKUP, NOW)
    assert check(parse(text), None, NOW) == []
    assert text == starter_toml(MARKUP, NOW)


def test_every_vendor_sells_something_and_no_name_twice() -> None:
    file = starter(parse_markup(MARKUP), NOW)
    assert {model.vendor for model in file.models} == {source.vendor for source in SOURCES}
    assert len({model.name for model in file.models}) == len(file.models)
    assert {model.kind for model in file.models} == {Kind.CHAT, Kind.EMBEDDING}
    assert {(price.model, price.tier) for price in file.prices} == {
        (m.name, tier) for m in file.models for tier in TIERS
    }


def test_a_known_price_times_the_markup() -> None:
    """gpt-4o costs 2.50, 1.25 cached and 10.00 for as long as the data has had it."""
    assert prices_of("gpt-4o", starter(parse_markup(MARKUP), NOW)) == {
        (Tier.TEST, "input"): 2_250_000,
        (Tier.TEST, "cached_input"): 1_125_000,
        (Tier.TEST, "output"): 9_000_000,
        (Tier.FLEX, "input"): 2_500_000,
        (Tier.FLEX, "cached_input"): 1_250_000,
        (Tier.FLEX, "output"): 10_000_000,
        (Tier.ENTERPRISE, "input"): 2_875_000,
        (Tier.ENTERPRISE, "cached_input"): 1_437_500,
        (Tier.ENTERPRISE, "output"): 11_500_000,
    }


def test_nothing_is_proposed_below_cost() -> None:
    """Whatever prompt and whatever hour: at factor one no price is below any price the vendor asks for today."""
    file = starter({Tier.FLEX: Fraction(1)}, NOW)
    vendors = {source.name: source.record for source in SOURCES}
    costs = {(record.id, model.id.lower()): model for record in records for model in record.models}
    for deployment in file.deployments:
        model = costs[vendors[deployment.provider], deployment.upstream_model.lower()]
        amount = max(
            price.amount or 0
            for price in file.prices
            if price.model == deployment.name.rpartition("@")[0] and price.meter == "input"
        )
        for hour in range(24):
            cost = model.get_prices(to_datetime(NOW).replace(hour=hour)).input_mtok
            dearest = max([cost.base, *(t.price for t in cost.tiers)]) if isinstance(cost, genai.TieredPrices) else cost
            assert amount >= dearest * 10**6, deployment.name


def test_comments_tell_the_origin_and_a_price_that_was_chosen() -> None:
    text = starter_toml("flex=1", NOW)
    assert text.startswith("# Proposed prices: what the vendors ask, times flex=1.\n")
    assert "genai-prices 0." in text.splitlines()[1]
    assert "# The vendor's price depends on the time of day; the dearest is taken: input" in text
    assert "# The vendor's price depends on the length of the prompt; the dearest is taken: input" in text


def test_keys_are_named_and_never_held() -> None:
    assert all(provider.api_key.startswith("env:") for provider in starter({Tier.FLEX: Fraction(1)}, NOW).providers)


# one rule each


def test_an_ordinary_model(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sold(info(priced(cache_write_mtok=Decimal("2.5"), web_searches_kcount=Decimal(10))), monkeypatch)
    assert {price.meter: price.amount for price in found} == {
        "input": 2_000_000,
        "cached_input": 500_000,
        "cache_write": 2_500_000,
        "output": 8_000_000,
    }


@pytest.mark.parametrize(
    "left_out",
    [
        info(priced(), deprecated=True),
        info(priced(), context_window=None),
        info(priced(), id="davinci-9"),
        info(priced(), id="gpt-9-realtime"),
        info(priced(), id="gpt-9-codex-mini"),
        info(priced(), id="gpt-9-deep-research"),
        info(priced(input_mtok=None)),
        info(priced(output_mtok=None)),
        info(priced(cache_read_mtok=None)),
        info(priced(audio_hours=Decimal(1))),
        info(priced(output_image_mtok=Decimal(30))),
        info(genai.ModelPrice()),
    ],
)
def test_left_out_by_rule(left_out: genai.ModelInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sold(left_out, monkeypatch) == []


def test_an_embedding_model_has_an_input_price_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = genai.ModelPrice(input_mtok=Decimal("0.1"), output_mtok=Decimal("0.1"))
    found = sold(info(prices, id="text-embedding-9"), monkeypatch)
    assert [(price.meter, price.amount) for price in found] == [("input", 100_000)]


def test_a_missing_context_window_is_looked_up_at_openrouter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(genai_prices._OPENROUTER, "openai/gpt-9", info(priced(), context_window=4096))
    assert len(sold(info(priced(), context_window=None), monkeypatch)) == 3


def test_the_length_of_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    tiered = genai.TieredPrices(base=Decimal(2), tiers=[genai.Tier(100, Decimal(4)), genai.Tier(200, Decimal(3))])
    found = sold(info(priced(input_mtok=tiered)), monkeypatch)
    assert found[0].amount == 4_000_000
    assert len(found) == 3


def test_the_time_of_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dearest hour counts, whatever the hour is now; a start that is over does not."""
    prices = [
        genai.ConditionalPrice(prices=priced(input_mtok=Decimal(90))),
        genai.ConditionalPrice(genai.StartDateConstraint(date(2026, 1, 1)), prices=priced(input_mtok=Decimal(1))),
        genai.ConditionalPrice(genai.TimeOfDateConstraint(time(1), time(2)), prices=priced(input_mtok=Decimal(3))),
    ]
    found = sold(info(prices), monkeypatch)
    assert (found[0].meter, found[0].amount) == ("input", 3_000_000)


def test_an_announced_change_has_its_date(monkeypatch: pytest.MonkeyPatch) -> None:
    dear = genai.ModelPrice(input_mtok=Decimal(4), output_mtok=Decimal(8))
    prices = [
        genai.ConditionalPrice(prices=priced()),
        genai.ConditionalPrice(genai.StartDateConstraint(date(2026, 12, 1)), prices=dear),
    ]
    found = sold(info(prices), monkeypatch)
    assert [(price.meter, price.amount, price.effective_from) for price in found] == [
        ("input", 2_000_000, None),
        ("cached_input", 500_000, None),
        ("output", 8_000_000, None),
        ("input", 4_000_000, DECEMBER),
        ("cached_input", None, DECEMBER),
        ("output", 8_000_000, DECEMBER),
    ]


def test_a_change_that_has_begun_is_the_price() -> None:
    early = info(
        [
            genai.ConditionalPrice(prices=priced()),
            genai.ConditionalPrice(genai.StartDateConstraint(date(2026, 12, 1)), prices=priced(input_mtok=Decimal(4))),
        ]
    )
    assert genai_prices.amounts(early, to_datetime(NOW))["input"] == [Decimal(2)]
    assert genai_prices.amounts(early, to_datetime(DECEMBER))["input"] == [Decimal(4)]
    assert genai_prices._changes(early, to_datetime(DECEMBER)) == []


def test_prices_are_rounded_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        genai_prices.RECORDS,
        "openai",
        genai.Provider("openai", "OpenAI", "", models=[info(priced(input_mtok=Decimal("0.0000011")))]),
    )
    monkeypatch.setattr(genai_prices, "SOURCES", (OPENAI,))
    file = starter(parse_markup("test=1,flex=0.9,enterprise=2"), NOW)
    amounts = prices_of("gpt-9", file)
    assert [amounts[tier, "input"] for tier in TIERS] == [2, 1, 3]


@pytest.mark.parametrize(
    ("name", "generation"),
    [
        ("claude-opus-4-8", ("claude-opus", (Decimal(4), Decimal(8)), 0)),
        ("claude-3-5-haiku-latest", ("claude-haiku", (Decimal(3), Decimal(5)), 0)),
        ("gpt-4o-2024-05-13", ("gpt-o", (Decimal(4),), 20240513)),
        ("grok-4-0709", ("grok", (Decimal(4),), 709)),
        ("grok-4.20", ("grok", (Decimal("4.20"),), 0)),
        ("gemini-3.1-pro-preview", ("gemini-pro", (Decimal("3.1"),), 0)),
        ("ministral-8b-2512", ("ministral-8b", (), 2512)),
        ("kimi-k2.6", ("kimi-k", (Decimal("2.6"),), 0)),
    ],
)
def test_generations(name: str, generation: tuple[str, tuple[Decimal, ...], int]) -> None:
    assert genai_prices._generation(name) == generation


def test_only_the_newest_two_of_a_family(monkeypatch: pytest.MonkeyPatch) -> None:
    models = [
        info(priced(), id=name) for name in ("gpt-5", "gpt-5.1", "gpt-4", "gpt-5-mini", "gpt-5.1-2026-01-01", "o9-0101")
    ]
    monkeypatch.setitem(genai_prices.RECORDS, "openai", genai.Provider("openai", "OpenAI", "", models=models))
    monkeypatch.setattr(genai_prices, "SOURCES", (OPENAI,))
    file = starter({Tier.FLEX: Fraction(1)}, NOW)
    assert [model.name for model in file.models] == ["gpt-5.1", "gpt-5", "gpt-5-mini", "o9-0101"]


# the markup


def test_a_markup_is_exact_and_may_leave_tiers_out() -> None:
    assert parse_markup(" test = 0.1 , enterprise=1.15") == {
        Tier.TEST: Fraction(1, 10),
        Tier.ENTERPRISE: Fraction(115, 100),
    }
    assert {price.tier for price in starter(parse_markup("flex=1"), NOW).prices} == {Tier.FLEX}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flex",
        "flex=",
        "gold=1",
        "flex=1,flex=2",
        "flex=0",
        "flex=-1",
        "flex=1001",
        "flex=1e3",
        "flex=1/2",
        "flex=1,",
    ],
)
def test_a_markup_that_is_none(text: str) -> None:
    with pytest.raises(PuyunError, match="is not a markup") as refused:
        starter_toml(text, NOW)
    assert (refused.value.code, refused.value.status) == ("invalid_markup", 400)
