import pytest
from hypothesis import given, strategies as st

from bench.spread import Spread, difference, ratio, spread

MEASURES = st.lists(st.floats(0.001, 1e9), min_size=1, max_size=9)


@given(MEASURES)
def test_the_median_lies_between_the_ends(values):
    found = spread(values)
    assert found.low == min(values)
    assert found.high == max(values)
    assert sum(value <= found.median for value in values) * 2 >= len(values)
    assert sum(value >= found.median for value in values) * 2 >= len(values)


def test_noise_is_the_width_over_the_median():
    assert spread([9.0, 10.0, 12.0]).noise == pytest.approx(0.3)
    assert spread([5.0]).noise == 0
    assert Spread(-1, 0, 1).noise == 0


def test_no_rounds_is_no_figure():
    with pytest.raises(ValueError, match="no rounds"):
        spread([])


def test_columns_are_compared_round_by_round():
    # Noise that doubles both columns in the second round leaves the ratio alone; medians apart would not show that.
    assert ratio([40.0, 80.0, 44.0], [10.0, 20.0, 11.0]) == Spread(4.0, 4.0, 4.0)
    assert difference([3.0, 9.0], [1.0, 6.0]) == Spread(2.0, 2.5, 3.0)
