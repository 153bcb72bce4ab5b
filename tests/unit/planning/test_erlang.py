"""Erlang's formulas against a sum, a simulated queue, and each other."""

from heapq import heappop, heappush
from itertools import islice
from math import exp, factorial
from random import Random  # noqa: TID251 - seeded

import pytest
from hypothesis import given, strategies as st

from puyun.kit.clock import SECOND
from puyun.planning.erlang import blocked, seats_for, wait_within, waiting, waiting_longer

loads = st.floats(0.01, 60)


def summed(load: float, seats: int) -> float:
    """Erlang C as textbooks write it."""
    last = load**seats / factorial(seats) * seats / (seats - load)
    return last / (sum(load**n / factorial(n) for n in range(seats)) + last)


@given(loads, st.integers(1, 80))
def test_the_recursion_is_the_sum(load: float, seats: int) -> None:
    expected = summed(load, seats) if seats > load else 1.0
    assert waiting(load, seats) == pytest.approx(expected, rel=1e-9)


def test_erlang_b_of_the_tables() -> None:
    assert [round(share, 4) for _, share in islice(blocked(10.0), 20)][9::10] == [0.2146, 0.0019]


@pytest.mark.parametrize(("load", "seats"), [(16.0, 26), (25.6, 38)])
def test_the_figures_of_the_design(load: float, seats: int) -> None:
    assert seats_for(load, mean=4_600_000, wait=250_000, part=0.99) == seats


@given(loads, st.integers(1, 60_000_000), st.integers(0, 10_000_000), st.floats(0.5, 0.999))
def test_p1_the_fewest_seats_that_keep_the_promise(load: float, mean: int, wait: int, part: float) -> None:
    seats = seats_for(load, mean=mean, wait=wait, part=part)
    assert waiting_longer(load, seats, mean=mean, wait=wait) <= 1 - part
    assert seats == 1 or waiting_longer(load, seats - 1, mean=mean, wait=wait) > 1 - part


@given(loads, st.integers(1, 80), st.floats(0, 10))
def test_p2_seats_help_and_load_does_not(load: float, seats: int, more: float) -> None:
    assert waiting(load, seats + 1) <= waiting(load, seats) <= waiting(load + more, seats) * (1 + 1e-12)


@given(loads, st.integers(1, 80), st.floats(0.5, 0.999))
def test_the_wait_of_a_part_is_what_the_rest_exceeds(load: float, seats: int, part: float) -> None:
    wait = wait_within(load, seats, mean=SECOND, part=part)
    if wait is None:
        assert seats <= load
    elif wait == 0:
        assert waiting(load, seats) <= 1 - part
    else:
        assert waiting_longer(load, seats, mean=SECOND, wait=wait) == pytest.approx(1 - part, rel=1e-4)


@pytest.mark.parametrize(("load", "seats"), [(4.0, 6), (9.0, 12)])
def test_a_queue_that_is_simulated_agrees(load: float, seats: int) -> None:
    dice, mean, wait = Random(5), 1.0, 0.2
    busy: list[float] = []
    now = late = some = 0.0
    calls = 60_000
    for _ in range(calls):
        now += dice.expovariate(load / mean)
        begun = now if len(busy) < seats else max(now, heappop(busy))
        late += begun - now > wait
        some += begun > now
        heappush(busy, begun + dice.expovariate(1 / mean))
    assert some / calls == pytest.approx(waiting(load, seats), rel=0.1)
    assert late / calls == pytest.approx(waiting(load, seats) * exp(-(seats - load) * wait / mean), rel=0.1)


@pytest.mark.parametrize(
    "wrong", [{"load": 1e9}, {"load": -1.0}, {"part": 1.0}, {"part": 0.0}, {"mean": 0}, {"wait": -1}]
)
def test_what_cannot_be_sized(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no pool"):
        seats_for(**({"load": 1.0, "mean": 1, "wait": 0, "part": 0.9} | wrong))
