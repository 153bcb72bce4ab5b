"""The decision about automatic top-ups: never beyond the month, one at a time, and what a rule may say."""

import pytest
from hypothesis import given, strategies as st

from puyun.kit.money import NANO, TOPUP_MAX
from puyun.ledger.autotopup import LEAST, Attempt, Rule, due, faults

amounts = st.integers(LEAST, 100 * NANO)


@st.composite
def rules(draw):
    amount = draw(amounts)
    return Rule(
        below=draw(st.integers(0, 100 * NANO)), amount=amount, month_max=amount + draw(st.integers(0, 500 * NANO))
    )


@given(rules(), st.lists(st.tuples(st.integers(0, 150 * NANO), st.sampled_from(Attempt)), max_size=40))
def test_a_month_of_attempts_never_passes_its_most_and_never_overlaps(rule, month):
    """Each step: so much is used, then the attempt that is open stands as told."""
    available, topped_up, last, open_ = 50 * NANO, 0, None, 0
    for used, told in month:
        available -= used
        asked = due(rule, available, topped_up, last)
        if asked is not None:
            assert open_ == 0
            assert asked == rule.amount
            assert available < rule.below
            last, open_ = Attempt.PENDING, asked
        if open_ and told is not Attempt.PENDING:
            last = told
            if told is Attempt.SETTLED:
                available += open_
                topped_up += open_
            open_ = 0
        assert topped_up + open_ <= rule.month_max


@given(rules(), st.integers(-100 * NANO, 300 * NANO), st.integers(0, 600 * NANO), st.sampled_from([None, *Attempt]))
def test_what_is_not_asked_for_has_its_reason(rule, available, topped_up, last):
    asked = due(rule, available, topped_up, last)
    reasons = (last is Attempt.PENDING, available >= rule.below, topped_up + rule.amount > rule.month_max)
    assert (asked is None) is any(reasons)


@pytest.mark.parametrize(
    ("below", "amount", "month_max", "found"),
    [
        (0, LEAST, LEAST, []),
        (TOPUP_MAX, TOPUP_MAX, TOPUP_MAX, []),
        (-1, LEAST, LEAST, [("below", "out_of_range")]),
        (0, LEAST - 1, LEAST, [("amount", "out_of_range")]),
        (0, LEAST + 1, LEAST, [("month_max", "below_amount")]),
        (0, LEAST, TOPUP_MAX + 1, [("month_max", "out_of_range")]),
        (TOPUP_MAX + 1, 0, -1, [("below", "out_of_range"), ("amount", "out_of_range"), ("month_max", "below_amount")]),
    ],
)
def test_what_a_rule_may_say(below, amount, month_max, found):
    assert list(faults(Rule(below=below, amount=amount, month_max=month_max))) == found
