"""Waits of calls that come independently and find `seats` seats: Erlang's B and C formulas.

A load is in erlangs: calls per second times the seconds that each keeps its seat. Times are microseconds.
"""

from collections.abc import Iterator
from itertools import count
from math import exp, log

LOAD_MAX = 100_000
"""Seats are counted up one by one; no platform is near this many calls at once."""


def blocked(load: float) -> Iterator[tuple[int, float]]:
    """(seats, share of calls that find all of them taken and leave), for seats 1, 2, 3 …: Erlang B, by its recursion."""
    share = 1.0
    for seats in count(1):
        share = load * share / (seats + load * share)
        yield seats, share


def waiting(load: float, seats: int) -> float:
    """The share of calls that wait at all, when none leaves: Erlang C. All of them where seats do not exceed the load."""
    if seats <= load:
        return 1.0
    share = next(share for at, share in blocked(load) if at == seats)
    return _waiting(load, seats, share)


def waiting_longer(load: float, seats: int, *, mean: int, wait: int) -> float:
    """The share of calls that wait longer than `wait`, where each keeps its seat for `mean` on average."""
    if seats <= load:
        return 1.0
    return waiting(load, seats) * exp(-(seats - load) * wait / mean)


def wait_within(load: float, seats: int, *, mean: int, part: float) -> int | None:
    """What `part` of the calls (0.95) wait at most; None where the queue grows without end."""
    if seats <= load:
        return None
    some = waiting(load, seats)
    return round(log(some / (1 - part)) * mean / (seats - load)) if some > 1 - part else 0


def seats_for(load: float, *, mean: int, wait: int, part: float) -> int:
    """P1: the fewest seats with which `part` of the calls (0.99) wait at most `wait`.

    Raises ValueError for a load beyond LOAD_MAX, a part that is no share below 1, or a mean that is no time.
    """
    if not 0 <= load <= LOAD_MAX or not 0 < part < 1 or mean <= 0 or wait < 0:
        raise ValueError(f"no pool can be sized for a load of {load}, a part of {part}, a mean of {mean}")
    for seats, share in blocked(load):
        if seats > load and _waiting(load, seats, share) * exp(-(seats - load) * wait / mean) <= 1 - part:
            return seats
    raise AssertionError("the shares fall to nought")


def _waiting(load: float, seats: int, share: float) -> float:
    busy = load / seats
    return share / (1 - busy * (1 - share))
