"""Back-off of the embedded model's child."""

from itertools import pairwise

import pytest

from puyun.localmodel import restart


def test_pauses_double_from_one_second_to_thirty_and_end():
    pauses = [restart.pause(failures) for failures in range(1, restart.TRIES + 1)]
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30, 30, None]


def test_a_pause_never_shrinks_and_never_comes_back():
    pauses = [restart.pause(failures) for failures in range(1, 5000)]
    known = [pause for pause in pauses if pause is not None]
    assert all(1 <= one <= other <= restart.LONGEST for one, other in pairwise(known))
    assert set(pauses[len(known) :]) == {None}


@pytest.mark.parametrize(
    ("before", "uptime", "after"),
    [(0, 0.0, 1), (3, 0.5, 4), (3, restart.STEADY - 0.001, 4), (9, restart.STEADY, 1), (0, 1e6, 1)],
)
def test_a_child_that_lasted_wipes_the_slate(before, uptime, after):
    assert restart.failures(before, uptime) == after
