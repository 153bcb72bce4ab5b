from puyun.scheduler.breaker import Breaker
from puyun.scheduler.rules import Rules

RULES = Rules(breaker_window=10, breaker_failures=5)


def test_five_failures_of_ten_trip_it() -> None:
    breaker = Breaker(RULES)
    outcomes = [breaker.failed() for _ in range(4)]
    for _ in range(5):
        breaker.succeeded()
    assert outcomes == [False] * 4
    assert not breaker.tripped
    assert breaker.failed()
    assert breaker.tripped


def test_failures_long_ago_do_not_count() -> None:
    breaker = Breaker(RULES)
    for _ in range(20):
        for _ in range(4):
            assert not breaker.failed()
        for _ in range(6):
            breaker.succeeded()
    assert not breaker.tripped


def test_a_success_closes_it_and_what_was_is_forgotten() -> None:
    breaker = Breaker(RULES)
    for _ in range(5):
        breaker.failed()
    assert breaker.failed(), "a call sent to try failed"
    breaker.succeeded()
    assert not breaker.tripped
    assert [breaker.failed() for _ in range(5)] == [False] * 4 + [True]
