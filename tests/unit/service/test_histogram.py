from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from puyun.service.histogram import (
    BINS,
    BOUNDS,
    ERROR,
    FIRST,
    NAMES,
    Kind,
    bin_of,
    histograms,
    merged,
    quantile,
    shortened as shorter,
)

VALUES = st.lists(st.integers(0, 2 * 10**9) | st.integers(0, 100_000), max_size=200)
SEEN = st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 2 * 10**9)), max_size=60)


def written(seen) -> str:
    return "".join(NAMES[kind][bin_of(value)] for kind, value in seen)


def of(values):
    return histograms(written((Kind.WAIT, value) for value in values))[Kind.WAIT]


def test_bins_grow_by_a_fifth_and_there_are_96() -> None:
    assert len(BOUNDS) == BINS - 1
    assert all(117 * low <= 100 * high <= 121 * low for low, high in pairwise(BOUNDS))
    assert (BOUNDS[0], BOUNDS[-1]) == (FIRST, 631_516_024)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0),
        (FIRST, 0),
        (FIRST + 1, 1),
        (BOUNDS[1], 1),
        (BOUNDS[1] + 1, 2),
        (BOUNDS[-1], 94),
        (BOUNDS[-1] + 1, 95),
        (10**15, 95),
    ],
)
def test_a_bound_is_the_most_that_its_bin_holds(value: int, number: int) -> None:
    assert bin_of(value) == number


@given(one=SEEN, other=SEEN)
def test_one_text_after_another_is_the_union(one, other) -> None:
    together = histograms(written(one) + written(other))
    assert together == histograms(written([*one, *other]))
    for kind in Kind:
        assert together[kind] == Counter(bin_of(value) for k, value in [*one, *other] if k is kind)
        assert together[kind] == merged(histograms(written(one))[kind], histograms(written(other))[kind])


@given(parts=st.lists(SEEN, max_size=5), order=st.randoms(use_true_random=False))
def test_in_which_order_is_added_up_changes_nothing(parts, order) -> None:
    texts = [written(part) for part in parts]
    shuffled = order.sample(texts, len(texts))
    assert shorter("".join(texts)) == shorter("".join(shuffled))
    assert shorter("".join(shorter(text) for text in texts)) == shorter("".join(texts))


@given(seen=SEEN)
def test_a_shortened_text_says_the_same_in_no_more_letters(seen) -> None:
    text = written(seen)
    assert histograms(shorter(text)) == histograms(text)
    assert len(shorter(text * 3)) <= len(text * 3)


@given(values=VALUES.filter(bool), part=st.sampled_from([1, 500, 950, 990, 1000]))
def test_a_quantile_is_within_its_error(values, part: int) -> None:
    true = sorted(values)[max(-(-len(values) * part // 1000), 1) - 1]
    found = quantile(of(values), part)
    assert found is not None
    if true <= FIRST:
        assert found == 0
    elif true > BOUNDS[-1]:
        assert found == BOUNDS[-1]
    else:
        assert abs(found - true) * 1000 <= true * ERROR


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile({}, 500) is None
    assert histograms("") == {kind: {} for kind in Kind}


def test_names_that_nobody_wrote_are_refused() -> None:
    with pytest.raises(KeyError):
        histograms("zz")
