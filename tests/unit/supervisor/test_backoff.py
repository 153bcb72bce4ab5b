from itertools import accumulate

from puyun.supervisor import backoff


def test_one_death_is_an_accident_and_many_are_a_fault() -> None:
    pauses = [backoff.pause(deaths) for deaths in range(1, 12)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.1
    assert list(accumulate(pauses))[3] < 1, "four deaths in a row, and still within a second"
    assert pauses[-1] == backoff.pause(1000) == backoff.LONGEST


def test_a_child_that_lived_for_long_starts_afresh() -> None:
    assert backoff.deaths(7, backoff.STEADY) == 1
    assert backoff.deaths(7, backoff.STEADY - 1) == 8
