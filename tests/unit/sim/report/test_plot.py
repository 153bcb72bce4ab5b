import re
from itertools import pairwise

import pytest
from msgspec.structs import replace

from puyun.catalog.model import Tier
from puyun.sim.report import plot
from puyun.sim.report.plot import HEIGHT, WIDTH
from puyun.sim.tiers.figures import BINS, MILLION, PARTS, Series


def series(
    wait: int | None = 1_000_000, seats: int = 250_000, jain: int | None = MILLION, tier: Tier = Tier.FLEX
) -> Series:
    return Series(
        tier=tier,
        wait_p99=[wait] * BINS,
        seats_ppm=[seats] * BINS,
        jain_ppm=[jain] * BINS,
        least=list(range(0, 2 * BINS, 2)),
        most=list(range(0, 4 * BINS, 4)),
        waits=[wait or 0] * len(PARTS),
    )


def points(path: str) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in re.findall(r"[ML](\d+) (\d+)", path)]


@pytest.mark.parametrize(
    ("wait", "place"), [(0, 0), (10_000, 0), (200_000_000, 100), (10**12, 100), (1_414_214, 50), (100_000, 23)]
)
def test_each_tenfold_of_a_wait_is_a_step_of_the_same_length(wait: int, place: int) -> None:
    assert plot.along_waits(wait, 100) == place


def test_a_line_that_is_straight_has_two_points() -> None:
    assert points(plot.likeness(series())) == [(0, 0), (WIDTH, 0)]
    assert points(plot.waits(series(wait=0))) == [(0, HEIGHT), (WIDTH, HEIGHT)]


def test_gaps_are_gaps_and_a_moment_on_its_own_is_a_dot() -> None:
    lone = series()
    values: list[int | None] = [None] * BINS
    values[3] = MILLION // 2
    values[10] = values[11] = MILLION
    drawn = plot.likeness(replace(lone, jain_ppm=values))
    assert drawn.count("M") == 2
    dot, line = drawn[1:].split("M")
    assert len(set(dot.split("L"))) == 1
    assert len(set(line.split("L"))) == 2
    assert plot.likeness(series(jain=None)) == ""


def test_a_distribution_rises_from_its_shortest_wait_to_everybody() -> None:
    drawn = points(plot.distribution(series(wait=10_000_000)))
    assert drawn[0] == (plot.along_waits(10_000_000, WIDTH), HEIGHT)
    assert drawn[-1] == (WIDTH, 0)
    assert plot.distribution(replace(series(), waits=[])) == ""


def test_service_lies_between_the_least_and_the_most() -> None:
    drawn = points(plot.apart(series()))
    assert drawn[0] == drawn[-1] == (0, HEIGHT)
    assert (WIDTH, 0) in drawn
    assert (WIDTH, HEIGHT // 2) in drawn


def test_shares_lie_on_top_of_each_other() -> None:
    stacked = plot.stack([series(seats=250_000, tier=Tier.ENTERPRISE), series(seats=500_000), series(seats=1_000_000)])
    assert [tier for tier, _ in stacked] == [Tier.ENTERPRISE, Tier.FLEX, Tier.FLEX]
    edges = [points(path)[0][1] for _, path in stacked]
    assert edges == [HEIGHT * 3 // 4, HEIGHT // 4, 0], "never above the top"
    assert all(path.endswith("Z") for _, path in stacked)
    assert plot.stack([]) == []


def test_bars_stand_around_the_mean() -> None:
    bars = plot.bars([(1, MILLION), (2, 5 * MILLION), (3, 0)])
    assert [(y, height) for _, y, _, height in bars] == [(HEIGHT // 2, HEIGHT // 2), (0, HEIGHT), (HEIGHT, 0)]
    assert all(left[0] + left[2] < right[0] for left, right in pairwise(bars))
    assert bars[-1][0] + bars[-1][2] <= WIDTH
    many = plot.bars([(org, MILLION) for org in range(200)])
    assert all(width >= 1 for _, _, width, _ in many)
