"""What workers let in by themselves, together, is never more than their limits let through."""

import pytest
from asking import FREE
from hypothesis import given, strategies as st
from rulebook import claim, rules

from puyun.arbiter.message import Configuration
from puyun.arbiter.remote.allowance import Allowance
from puyun.claim import Claim
from puyun.kit.clock import MINUTE, SECOND, Instant

T0 = Instant(1_000_000_000_000_000)
WORKERS = 4


def at(seconds: float) -> Instant:
    return Instant(T0 + round(seconds * SECOND))


class Crew:
    """So many workers whose arbiter went at T0."""

    def __init__(self, book: str, *, workers: int = WORKERS, running: tuple[tuple[Claim, ...], ...] = ()) -> None:
        self.each = [Allowance(workers) for _ in range(workers)]
        for worker, allowance in enumerate(self.each):
            allowance.follow(Configuration(1, (), (*FREE, *rules(book)), {1: "m"}), T0)
            allowance.start(running[worker] if worker < len(running) else (), T0)

    def asks(self, worker: int, wanted: Claim, now: Instant) -> bool:
        used: dict[int, int] = {}
        for each in self.each:
            for place, calls in each.flights.items():
                used[place] = used.get(place, 0) + calls
        return self.each[worker].lets_in(wanted, used, now)


def test_it_begins_with_nothing_and_has_its_part_of_the_rate() -> None:
    crew = Crew("org 7 rpm 240 burst 60")
    assert not crew.asks(0, claim(1), T0)
    assert not crew.asks(0, claim(1), at(0.999)), "one of 60 a minute comes after a second"
    assert crew.asks(0, claim(1), at(1))
    assert not crew.asks(0, claim(2), at(1.5))
    assert crew.asks(1, claim(3), at(1.5))


def test_tokens_are_shared_out_too() -> None:
    crew = Crew("org 7 itpm 24000 burst 60")
    assert not crew.asks(0, claim(1, 7, 1, 1, claim(1).tier, 500, 10), at(4.9))
    assert crew.asks(0, claim(1, 7, 1, 1, claim(1).tier, 500, 10), at(5))


@pytest.mark.parametrize(
    "book", ["org 7 rpm 24 burst 9", "org 7 rpm 3 burst 600", "org 7 in_flight 0", "ip any rpm 4 burst 59"]
)
def test_what_cannot_be_divided_waits_for_the_arbiter(book: str) -> None:
    crew = Crew(book)
    assert not any(crew.asks(worker, claim(worker, ip="192.0.2.1"), at(86_400)) for worker in range(WORKERS))


def test_who_has_no_limit_has_none_here() -> None:
    crew = Crew("")
    assert all(crew.asks(0, claim(ticket), T0) for ticket in range(1_000))


def test_calls_in_flight_count_together_with_those_of_other_workers() -> None:
    crew = Crew("org 7 in_flight 3", running=((claim(1), claim(2)),))
    assert crew.asks(1, claim(3), T0)
    assert not crew.asks(2, claim(4), T0)
    assert crew.asks(2, claim(5, 8), T0), "another organization's"
    crew.each[0].over(1, 0, 0, T0)
    assert crew.asks(2, claim(4), T0)
    assert not crew.asks(0, claim(6), T0)


def test_what_was_used_beyond_the_estimate_counts() -> None:
    crew = Crew("org 7 otpm 24000 burst 60")
    tier = claim(1).tier
    assert crew.asks(0, claim(1, 7, 1, 1, tier, 0, 100), at(1))
    crew.each[0].over(1, 0, 400, at(1))
    assert not crew.asks(0, claim(2, 7, 1, 1, tier, 0, 100), at(4.9))
    assert crew.asks(0, claim(2, 7, 1, 1, tier, 0, 100), at(5))


def test_of_other_limits_nothing_is_left_at_first() -> None:
    crew = Crew("org 7 rpm 240 burst 60")
    assert not crew.asks(0, claim(1), at(0.5))
    crew.each[0].follow(Configuration(2, (), (*FREE, *rules("org 7 rpm 480 burst 60")), {1: "m"}), at(0.5))
    assert not crew.asks(0, claim(1), at(0.999))
    assert crew.asks(0, claim(1), at(1)), "two a second"


@given(
    st.integers(1, 5),
    st.integers(1, 5_000),
    st.integers(1, 90),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3 * SECOND), st.integers(0, 300)), max_size=200),
)
def test_together_no_more_than_the_rate(
    workers: int, amount: int, burst: int, asked: list[tuple[int, int, int]]
) -> None:
    """Whoever asks when and how often: since the arbiter went, never more than comes in that time."""
    crew = Crew(f"org 7 rpm {amount} burst {burst}\norg 7 itpm {amount * 50} burst {burst}", workers=workers)
    now, calls, tokens = T0, 0, 0
    for ticket, (worker, pause, size) in enumerate(asked):
        now = Instant(now + pause)
        if crew.asks(worker % workers, claim(ticket, 7, 1, 1, claim(1).tier, size, 0), now):
            calls, tokens = calls + 1, tokens + size
        assert calls * MINUTE <= amount * (now - T0)
        assert tokens * MINUTE <= amount * 50 * (now - T0)
