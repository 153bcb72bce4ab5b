"""Eight workers that want more than there is, killed with their arbiter now and then: nothing is given twice.

`python -m bench.arbiter` does the same a million times.
"""

import pytest
from stage.forked import in_a_process

from bench.arbiter.hammer import SEATS, Plan, hammer

pytestmark = pytest.mark.xdist_group("workers")


def test_no_seat_and_no_limit_is_given_twice() -> None:
    plan = Plan(6_000)
    tally = in_a_process(hammer, plan)
    assert tally.violations == 0
    assert all(0 < most <= seats for most, seats in zip(tally.most, SEATS, strict=True))
    assert 0 < tally.limited <= plan.most(tally.span)


def test_without_kills_nobody_is_turned_away() -> None:
    plan = Plan(4_000, worker_kill=0, arbiter_kill=0)
    tally = in_a_process(hammer, plan)
    assert (tally.violations, tally.away) == (0, 0)
    assert all(0 < most <= seats for most, seats in zip(tally.most, SEATS, strict=True))
    assert 0 < tally.limited <= plan.most(tally.span)
