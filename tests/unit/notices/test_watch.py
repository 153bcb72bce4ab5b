"""A fall is told once, and armed by rising alone, whatever the balance does meanwhile (N2, N3)."""

from itertools import pairwise

from hypothesis import given, strategies as st

from puyun.notices.kinds import Kind
from puyun.notices.watch import EMPTY_BELOW, Watch, look, set_threshold

LINE = 100 * EMPTY_BELOW
AMOUNTS = st.sampled_from((0, EMPTY_BELOW - 1, EMPTY_BELOW, EMPTY_BELOW + 1, LINE - 1, LINE, LINE + 1, 9 * LINE))


def told(watch: Watch, amounts: list[int]) -> list[Kind]:
    kinds: list[Kind] = []
    for amount in amounts:
        watch, found = look(watch, amount)
        kinds += found
    return kinds


def falls(amounts: list[int], line: int) -> int:
    """Counted another way: strike out what is on the line, then count the steps from above to below."""
    sides = [amount > line for amount in amounts if amount != line]
    return sum(before and not after for before, after in pairwise(sides))


@given(st.lists(AMOUNTS, max_size=40))
def test_each_fall_is_told_once(amounts: list[int]) -> None:
    kinds = told(Watch(threshold=LINE), amounts)
    assert kinds.count(Kind.BALANCE_LOW) == falls(amounts, LINE)
    assert kinds.count(Kind.BALANCE_EMPTY) == falls(amounts, EMPTY_BELOW)


@given(st.lists(AMOUNTS, max_size=20), AMOUNTS)
def test_looking_twice_tells_nothing_more(amounts: list[int], last: int) -> None:
    watch = Watch(threshold=LINE)
    for amount in [*amounts, last]:
        watch, _ = look(watch, amount)
    assert look(watch, last) == (watch, [])


@given(st.lists(AMOUNTS, max_size=40))
def test_each_event_has_a_number_of_its_own(amounts: list[int]) -> None:
    watch, count = Watch(threshold=LINE), 0
    for amount in amounts:
        watch, kinds = look(watch, amount)
        count += len(kinds)
        assert watch.falls == count


@given(st.lists(AMOUNTS, max_size=20))
def test_without_a_threshold_no_balance_is_low(amounts: list[int]) -> None:
    assert Kind.BALANCE_LOW not in told(Watch(), amounts)


def test_a_wallet_that_never_had_anything_has_not_fallen() -> None:
    assert told(Watch(threshold=LINE), [0, 0]) == []


def test_setting_a_threshold_above_the_balance_is_no_fall() -> None:
    assert told(set_threshold(Watch(), LINE, LINE - 1), [LINE - 1]) == []
    assert told(set_threshold(Watch(), LINE, LINE), [LINE, LINE - 1]) == [Kind.BALANCE_LOW]
