import pytest
from hypothesis import given, strategies as st
from postings import ACT, NOBODY, rows, spelled

from puyun.ledger.acts.giveback import Charged, Payout, correction, paid_out, payout, payout_cancelled, refund
from puyun.ledger.command import Post
from puyun.ledger.posting import effect

TABLE = """
refund 100 of 100/0             | refund k: revenue:flex > wallet.paid 100
refund 40 of 100/0              | refund k: revenue:flex > wallet.paid 40
refund 100 of 100/30            | refund k: revenue:flex > wallet.bonus 30, revenue:flex > wallet.paid 70
refund 10 of 100/30             | refund k: revenue:flex > wallet.bonus 3, revenue:flex > wallet.paid 7
refund 5 of 100/100             | refund k: revenue:flex > wallet.bonus 5
refund 1 of 3/1                 | refund k: revenue:flex > wallet.paid 1
refund 2 of 3/1 after 1/0       | refund k: revenue:flex > wallet.bonus 1, revenue:flex > wallet.paid 1
refund 101 of 100/0             | refused charged 101 of 100
refund 61 of 100/0 after 40/0   | refused charged 61 of 60
refund 1 of 0/0                 | refused charged 1 of 0
refund 0 of 100/0               | refused amount 0 of 100
refund -1 of 100/0              | refused amount -1 of 100
refund-by-nobody 1 of 100/0     | refused why 0 of 0
correct 60 of 100/0             | correction k: revenue:flex > wallet.paid 40
correct 0 of 100/30             | correction k: revenue:flex > wallet.bonus 30, revenue:flex > wallet.paid 70
correct 60 of 100/0 after 40/0  | refused nothing 60 of 60
correct 61 of 100/0 after 40/0  | refused nothing 61 of 60
correct 120 of 100/0            | refused nothing 120 of 100
correct -1 of 100/0             | refused amount -1 of 0
correct-by-nobody 0 of 100/0    | refused why 0 of 0
"""


def charged(words: list[str]) -> Charged:
    charge, bonus = words[0].split("/")
    back, back_bonus = words[2].split("/") if len(words) > 2 else ("0", "0")
    return Charged(
        org=7,
        tier="flex",
        charge=int(charge),
        from_bonus=int(bonus),
        returned=int(back),
        returned_bonus=int(back_bonus),
    )


@pytest.mark.parametrize(("asked", "answer"), rows(TABLE))
def test_what_goes_back_of_a_call(asked: list[str], answer: str) -> None:
    verb, amount, _, *rest = asked
    template = refund if verb.startswith("refund") else correction
    assert spelled(template(charged(rest), int(amount), NOBODY if "nobody" in verb else ACT)) == answer


@given(st.integers(1, 10**15), st.integers(0, 100), st.lists(st.integers(1, 99), max_size=12))
def test_refunds_in_any_steps_give_back_the_split_that_was_charged(charge: int, share: int, steps: list[int]) -> None:
    bonus = charge * share // 100
    returned = returned_bonus = 0
    for percent in [*steps, 100]:
        left = charge - returned
        amount = left * percent // 100
        if not amount:
            continue
        before = Charged(
            org=7, tier="flex", charge=charge, from_bonus=bonus, returned=returned, returned_bonus=returned_bonus
        )
        post = refund(before, amount, ACT)
        assert isinstance(post, Post)
        change = effect(*post.lines)
        assert change.paid + change.bonus == amount
        assert min(change.paid, change.bonus) >= 0
        returned, returned_bonus = returned + amount, returned_bonus + change.bonus
        assert abs(returned_bonus * charge - returned * bonus) < charge
    assert (returned, returned_bonus) == (charge, bonus)


PAYOUTS = """
ask 50 paid=100 in=100          | put aside 50
ask 100 paid=100 in=100         | put aside 100
ask 101 paid=100 in=200         | refused credit 101 of 100
ask 50 paid=-3 in=200           | refused credit 50 of 0
ask 50 paid=100 in=40           | refused paid_in 50 of 40
ask 50 paid=100 in=-1           | refused paid_in 50 of 0
ask 0 paid=100 in=100           | refused amount 0 of 0
ask-by-nobody 5 paid=100 in=100 | refused why 0 of 0
pay 50                          | payout k: wallet.paid > processor:stripe 50, 50 returns
cancel 50                       | put aside -50
"""


@pytest.mark.parametrize(("asked", "answer"), rows(PAYOUTS))
def test_payouts(asked: list[str], answer: str) -> None:
    verb, amount, *rest = asked
    made = Payout(org=7, amount=int(amount), processor="stripe")
    if verb == "pay":
        assert spelled(paid_out(made, ACT)) == answer
    elif verb == "cancel":
        assert spelled(payout_cancelled(made)) == answer
    else:
        paid, paid_in = (int(word.split("=")[1]) for word in rest)
        assert spelled(payout(made, paid, paid_in, NOBODY if "nobody" in verb else ACT)) == answer
