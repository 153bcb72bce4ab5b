import pytest

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.kit.money import NANO
from puyun.portal.shop.cost import CALLS_MAX, TOKENS_MAX, Plan, cost_of, parse_plan
from puyun.pricing.pricebook import PriceBook, PriceRow, Rates


def rates(**amounts: int) -> Rates:
    rows = [
        PriceRow(
            id=number,
            model="m",
            tier=Tier.FLEX,
            meter=meter,
            amount=amount,
            effective_from=Instant(0),
            created_at=Instant(0),
        )
        for number, (meter, amount) in enumerate(amounts.items(), 1)
    ]
    found = PriceBook(rows).rates("m", Tier.FLEX, Instant(1))
    assert found is not None
    return found


def test_a_month_is_thirty_times_what_a_day_s_calls_would_be_charged() -> None:
    cost = cost_of(Plan(1200, 200, 350, 1000), rates(input=2_500_000, cached_input=1_250_000, output=10_000_000))
    assert cost.call == (1000 * 2_500_000 + 200 * 1_250_000 + 350 * 10_000_000) // 1000 == 6_250_000
    assert (cost.day, cost.month) == (6_250_000_000, 187_500_000_000)
    assert cost.unpriced == ()


def test_each_call_is_rounded_before_it_is_multiplied() -> None:
    """As it is billed: a thousand calls of 0.999 nano-units each cost nothing."""
    assert cost_of(Plan(1, 0, 0, 1000), rates(input=999)).month == 0


def test_the_largest_plan_is_exact() -> None:
    cost = cost_of(Plan(TOKENS_MAX, 0, TOKENS_MAX, CALLS_MAX), rates(input=10**11, output=10**11 - 1))
    assert cost.month == (TOKENS_MAX * (2 * 10**11 - 1)) // 1000 * CALLS_MAX * 30
    assert cost.month > 2**63 > NANO


def test_what_has_no_price_is_named_and_not_in_the_sum() -> None:
    cost = cost_of(Plan(1000, 0, 50, 1), rates(input=1_000_000))
    assert (cost.call, cost.unpriced) == (1_000_000, ("output",))


def test_at_first_it_is_the_usual_call() -> None:
    assert parse_plan({}).plan == parse_plan({"in": "", "out": " "}).plan == Plan(1200, 0, 350, 1000)


def test_grouped_numbers_are_read() -> None:
    form = parse_plan({"in": "10,000", "cached": "9000", "out": "0", "calls": "1,000,000"})
    assert form.plan == Plan(10_000, 9000, 0, 1_000_000)


@pytest.mark.parametrize(
    ("parameters", "faults"),
    [
        ({"in": "-1"}, {"in": "number"}),
        ({"in": "1.5", "calls": "many"}, {"in": "number", "calls": "number"}),
        ({"out": "1e9"}, {"out": "number"}),
        ({"in": "１２"}, {"in": "number"}),
        ({"in": "9" * 5000}, {"in": "number"}),
        ({"in": "10000001"}, {"in": "much"}),
        ({"calls": "1000000001"}, {"calls": "much"}),
        ({"in": "10", "cached": "11"}, {"cached": "cached"}),
    ],
)
def test_what_makes_no_sense_is_said_and_kept(parameters: dict[str, str], faults: dict[str, str]) -> None:
    form = parse_plan(parameters)
    assert (form.faults, form.plan) == (faults, None)
    assert all(form.values[name] == text[:21] for name, text in parameters.items())
