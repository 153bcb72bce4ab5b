"""What a use of a model would cost in a month. Pure, and exact: each call is rated and rounded as it would be billed."""

from collections.abc import Mapping

import msgspec

from puyun.metering.usage import Usage
from puyun.pricing.pricebook import Rates
from puyun.pricing.rate import rate

MONTH_DAYS = 30

FIELDS = {"in": 1200, "cached": 0, "out": 350, "calls": 1000}
"""The fields of the form and what stands in them at first."""

TOKENS_MAX = 10_000_000
CALLS_MAX = 1_000_000_000
_DIGITS_MAX = 20


class Plan(msgspec.Struct, frozen=True):
    """An ordinary call, `cached` of whose input tokens are read from the cache, and how many are made in a day."""

    tokens_in: int
    cached: int
    tokens_out: int
    calls: int


class Form(msgspec.Struct, frozen=True):
    """What was typed, `number`, `much` or `cached` by the field that is wrong, and the plan when none is."""

    values: dict[str, str]
    faults: dict[str, str]
    plan: Plan | None


class Cost(msgspec.Struct, frozen=True):
    """Nano-units. `unpriced`: the meters that this offer does not sell and that are not in the sum."""

    call: int
    day: int
    month: int
    unpriced: tuple[str, ...]


def parse_plan(parameters: Mapping[str, str]) -> Form:
    """From an address; a field that is missing or empty is as at first."""
    values = {name: parameters.get(name, "").strip()[: _DIGITS_MAX + 1] or str(usual) for name, usual in FIELDS.items()}
    numbers: dict[str, int] = {}
    faults: dict[str, str] = {}
    for name, text in values.items():
        plain = text.replace(",", "")
        if not (plain.isascii() and plain.isdigit()) or len(plain) > _DIGITS_MAX:
            faults[name] = "number"
            continue
        numbers[name] = int(plain)
        if numbers[name] > (CALLS_MAX if name == "calls" else TOKENS_MAX):
            faults[name] = "much"
    if not faults and numbers["cached"] > numbers["in"]:
        faults["cached"] = "cached"
    plan = None if faults else Plan(numbers["in"], numbers["cached"], numbers["out"], numbers["calls"])
    return Form(values, faults, plan)


def cost_of(plan: Plan, rates: Rates) -> Cost:
    """By rates that are in force, as if they stayed so."""
    usage = Usage(input=plan.tokens_in - plan.cached, cached_input=plan.cached, output=plan.tokens_out)
    charge = rate(usage, rates)
    day = charge.amount * plan.calls
    return Cost(charge.amount, day, day * MONTH_DAYS, charge.unpriced)
