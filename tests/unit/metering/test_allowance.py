"""How a stream's allowance grows, is refused, and ends."""

import pytest

from puyun.metering.allowance import Allowance


@pytest.mark.parametrize(
    ("held", "most", "produced", "wanted"),
    [
        (1000, 10_000, 0, 0),  # plenty left
        (1000, 10_000, 599, 0),  # 40.1 % left
        (1000, 10_000, 601, 1000),  # less than 40 % left: one step more
        (1000, 1_000, 999, 0),  # the caller's end is covered already
        (1000, 1_300, 900, 300),  # no more than the caller's end
        (0, 100, 0, 1),  # nothing held yet
    ],
)
def test_it_asks_ahead_of_need_and_never_past_the_end(held: int, most: int, produced: int, wanted: int) -> None:
    assert Allowance(held, most).wanted(produced) == wanted


def test_steps_double() -> None:
    allowance = Allowance(100, 10_000)
    for held in (100, 200, 400, 800):
        assert allowance.held == held
        allowance.grown(allowance.wanted(held))


def test_a_refusal_is_final_and_the_stream_runs_to_what_is_held() -> None:
    allowance = Allowance(100, 10_000)
    allowance.refused()
    assert allowance.wanted(100) == 0
    assert not allowance.spent(99)
    assert allowance.spent(100)


def test_nothing_is_spent_while_more_can_be_had() -> None:
    assert not Allowance(100, 10_000).spent(5_000)
