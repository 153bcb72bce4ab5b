from random import Random  # noqa: TID251 - seeded

import pytest
from hypothesis import given, strategies as st

from puyun.metering.quantile import Quantiles


@pytest.mark.parametrize("part", [500, 900, 950])
@pytest.mark.parametrize("scale", [20, 300, 5_000])
def test_so_many_of_a_thousand_are_at_most_the_estimate(part: int, scale: int) -> None:
    dice, quantiles, below = Random(part + scale), Quantiles(part, 1_000, 4), 0
    for number in range(4_000):
        value = round(dice.lognormvariate(0, 0.8) * scale)
        below += number >= 1_000 and value <= quantiles.of("k")
        quantiles.observe("k", value)
    assert abs(below / 3_000 - part / 1_000) < 0.04


def test_it_follows_when_the_numbers_change() -> None:
    quantiles = Quantiles(900, 1_000, 4)
    for value, low, high in ((50, 50, 60), (4_000, 3_000, 4_000), (10, 10, 12)):
        for _ in range(1_200):
            quantiles.observe("k", value)
        assert low <= quantiles.of("k") <= high


def test_keys_know_nothing_of_each_other_and_a_new_one_begins_at_the_start() -> None:
    quantiles = Quantiles(900, 1_000, 4)
    for _ in range(100):
        quantiles.observe("short", 5)
    assert quantiles.of("short") < 100
    assert quantiles.of("new") == 1_000


def test_memory_is_bounded_and_the_key_unused_for_longest_goes() -> None:
    quantiles = Quantiles(900, 1_000, 3)
    for number in range(50):
        quantiles.observe("kept", 5)
        quantiles.observe(number, 5)
    assert len(quantiles._known) == 3
    assert quantiles.of("kept") < 100


@given(st.lists(st.integers(0, 10**12), max_size=200), st.integers(1, 10**6))
def test_an_estimate_lies_between_what_was_seen_and_the_start(values: list[int], start: int) -> None:
    quantiles = Quantiles(900, start, 1)
    for value in values:
        quantiles.observe("k", value)
    assert min([start, *values]) <= quantiles.of("k") <= max([start, *values])
