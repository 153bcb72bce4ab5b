import pytest
from hypothesis import given, strategies as st

from puyun.metering.tokens import OUTPUT_DEFAULT, PER_MESSAGE, estimate, input_bound

sizes = st.integers(0, 10**8)


@pytest.mark.parametrize(
    ("size", "ascii_only", "messages", "bound"),
    [
        (0, True, 0, 0),
        (1, True, 0, 1),
        (2, True, 0, 1),
        (3, True, 0, 2),
        (100, True, 1, 50 + PER_MESSAGE),
        (1, False, 0, 1),
        (4, False, 0, 3),
        (5, False, 0, 4),
        (100, False, 2, 75 + 2 * PER_MESSAGE),
    ],
)
def test_bounds(size: int, ascii_only: bool, messages: int, bound: int) -> None:
    assert input_bound(size, ascii_only=ascii_only, messages=messages) == bound


@given(sizes, sizes, st.booleans(), st.integers(0, 1000))
def test_more_text_or_messages_never_lower_a_bound(size: int, more: int, ascii_only: bool, messages: int) -> None:
    bound = input_bound(size, ascii_only=ascii_only, messages=messages)
    assert bound <= input_bound(size + more, ascii_only=ascii_only, messages=messages)
    assert bound < input_bound(size, ascii_only=ascii_only, messages=messages + 1)


@given(sizes, st.booleans())
def test_what_is_held_for_covers_what_would_be_estimated(size: int, ascii_only: bool) -> None:
    assert estimate(size, ascii_only=ascii_only) <= input_bound(size, ascii_only=ascii_only) <= size


@given(sizes)
def test_text_outside_ascii_is_taken_for_more_tokens(size: int) -> None:
    assert estimate(size, ascii_only=True) <= estimate(size, ascii_only=False)
    assert input_bound(size, ascii_only=True) <= input_bound(size, ascii_only=False)


def test_estimates_are_rounded_up_so_that_something_is_never_nothing() -> None:
    assert [estimate(size, ascii_only=True) for size in (0, 1, 4, 5)] == [0, 1, 1, 2]
    assert [estimate(size, ascii_only=False) for size in (0, 1, 3, 4)] == [0, 1, 1, 2]
    assert OUTPUT_DEFAULT > 0
