"""What a proposal would change, with the fallbacks that a look at the rows alone would miss."""

import pytest
from prices import book

from puyun.catalog.model import Price, Tier
from puyun.kit.clock import Instant
from puyun.metering.usage import Usage
from puyun.pricing.proposal import Cell, Impact, effects, impact, most_affected, proposed, short_notice

NOW = Instant(100)
BOOK = book("1 input 200 from 0\n2 output 900 from 0\n3 reasoning 500 from 0\n4 input 300 from 1000")


def wanted(line: str) -> Price:
    meter, amount, _, start = line.split()
    return Price(
        model="m",
        tier=Tier.FLEX,
        meter=meter,
        amount=None if amount == "-" else int(amount),
        effective_from=None if start == "now" else int(start),
    )


def shown(*lines: str) -> list[str]:
    prices = [wanted(line) for line in lines]
    found = effects(BOOK, proposed(BOOK, prices, NOW), prices, NOW)
    return [f"{effect.meter} {effect.before} {effect.after} from {effect.at}" for effect in found]


@pytest.mark.parametrize(
    ("lines", "changes"),
    [
        (["output 900 from now"], []),
        (["output 950 from now"], ["output 900 950 from 100"]),
        (["reasoning - from 500"], ["reasoning 500 900 from 500"]),
        (["cached_input 50 from now"], ["cached_input 200 50 from 100"]),
        (["audio 70 from now"], ["audio None 70 from 100"]),
        (["cached_input 250 from 500", "input 200 from 1000"], ["cached_input 200 250 from 500"]),
    ],
)
def test_effects(lines: list[str], changes: list[str]) -> None:
    found = shown(*lines)
    assert found[: len(changes)] == changes
    assert bool(found) == bool(changes)


def test_a_meter_that_falls_back_moves_along() -> None:
    assert {line.split()[0] for line in shown("input 210 from now")} == {
        "input",
        "cached_input",
        "cache_write",
        "cache_write_1h",
        "image_input",
    }
    assert shown("input - from now") == [
        f"{meter} {price} None from 100"
        for meter, price in (
            ("input", 200),
            ("cached_input", 200),
            ("cache_write", 200),
            ("cache_write_1h", 200),
            ("output", 900),
            ("reasoning", 500),
            ("image_input", 200),
        )
    ]


@pytest.mark.parametrize(
    ("line", "short"),
    [
        ("output 901 from now", True),
        ("output 901 from 149", True),
        ("output 901 from 150", False),
        ("output 899 from now", False),
        ("reasoning - from now", True),
        ("audio 70 from now", False),
        ("output - from now", False),
    ],
)
def test_only_what_is_dearer_needs_notice(line: str, short: bool) -> None:
    prices = [wanted(line)]
    found = effects(BOOK, proposed(BOOK, prices, NOW), prices, NOW)
    assert bool(short_notice(found, NOW, 50)) == short


def cell(org: int, usage: Usage, *, model: str = "m") -> Cell:
    return Cell(org, model, Tier.FLEX, usage, 7)


def test_usage_is_rated_at_the_prices_of_now_and_of_then() -> None:
    prices = [wanted("output 1000 from 2000")]
    after = proposed(BOOK, prices, NOW)
    cells = [
        cell(1, Usage(input=10, output=3)),
        cell(1, Usage(output=1)),
        cell(2, Usage()),
        cell(3, Usage(1), model="n"),
    ]
    found = impact(BOOK, after, cells, now=NOW, then=Instant(2000))
    assert found == {
        1: Impact(14, 10 * 200 + 4 * 900, 10 * 300 + 4 * 1000),
        2: Impact(7, 0, 0),
    }
    assert most_affected(found) == [(1, found[1])]
    same = proposed(BOOK, [wanted("output 900 from now")], NOW)
    assert impact(BOOK, same, cells, now=NOW, then=NOW) == {}


def test_the_ten_whose_bill_changes_most_come_first_either_way() -> None:
    impacts = {org: Impact(0, 100, 100 + change) for org, change in enumerate([0, 5, -9, 1, 2, 3, 4, 5, 6, 7, 8, -1])}
    assert [org for org, _ in most_affected(impacts)] == [2, 10, 9, 8, 1, 7, 6, 5, 4, 3]
