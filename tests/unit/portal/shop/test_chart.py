import pytest

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.portal.shop.chart import chart_of, within


def steps(*pairs: tuple[int, int | None]) -> list[tuple[Instant, int | None]]:
    return [(Instant(at), value) for at, value in pairs]


def path(*pairs: tuple[int, int | None]) -> str:
    chart = chart_of({Tier.FLEX: steps(*pairs)}, Instant(0), Instant(50), Instant(100))
    assert chart is not None
    return chart.lines[0].path


@pytest.mark.parametrize(
    ("pairs", "drawn"),
    [
        ([(0, 10)], "M0 0H1000"),
        ([(-900, 5), (50, 10)], "M0 100H500V0H1000"),  # what held before the chart begins
        ([(0, 10), (20, None), (60, 5)], "M0 0H200M600 100H1000"),
        ([(0, 10), (90, None)], "M0 0H900"),
        ([(0, 10), (100, 5000)], "M0 0H1000"),  # after its end
        ([(0, 0)], "M0 200H1000"),
    ],
)
def test_a_line_is_made_of_steps(pairs: list[tuple[int, int | None]], drawn: str) -> None:
    assert path(*pairs) == drawn


def test_all_lines_share_a_scale_and_the_present_is_marked() -> None:
    chart = chart_of(
        {Tier.TEST: steps((0, 25)), Tier.FLEX: steps((0, 100)), Tier.ENTERPRISE: []},
        Instant(0),
        Instant(75),
        Instant(100),
    )
    assert chart is not None
    assert (chart.top, chart.now) == (100, 750)
    assert [(line.tier, line.path, line.last) for line in chart.lines] == [
        (Tier.TEST, "M0 150H1000", 25),
        (Tier.FLEX, "M0 0H1000", 100),
    ]


@pytest.mark.parametrize("pairs", [[], [(0, None)], [(200, 5)]])
def test_without_a_value_there_is_no_chart(pairs: list[tuple[int, int | None]]) -> None:
    assert chart_of({Tier.FLEX: steps(*pairs)}, Instant(0), Instant(50), Instant(100)) is None


def test_of_what_held_before_only_the_last_counts() -> None:
    assert within(steps((-9, 1), (-3, 2), (0, 3), (5, 4)), Instant(0), Instant(10)) == steps((0, 3), (5, 4))
