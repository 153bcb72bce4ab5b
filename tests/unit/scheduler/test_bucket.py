import pytest

from puyun.kit.clock import MINUTE, SECOND, Instant
from puyun.scheduler.bucket import Bucket

NOW = Instant(1_000 * MINUTE)


def later(duration: int) -> Instant:
    return Instant(NOW + duration)


def test_it_holds_what_fills_in_its_burst_and_fills_by_the_minute() -> None:
    bucket = Bucket(60, 10 * SECOND, NOW)
    assert bucket.remaining(NOW) == 10
    bucket.take(10, NOW)
    assert bucket.wait(1, 0, NOW) == SECOND
    assert bucket.wait(5, 0, NOW) == 5 * SECOND
    assert bucket.remaining(later(4 * SECOND)) == 4
    assert bucket.remaining(later(MINUTE)) == 10


def test_a_call_larger_than_the_bucket_waits_until_it_is_full_and_not_for_ever() -> None:
    bucket = Bucket(60, 10 * SECOND, NOW)
    bucket.take(1, NOW)
    assert bucket.wait(1_000, 0, NOW) == SECOND
    assert bucket.wait(1_000, 0, later(SECOND)) == 0


def test_a_debt_is_bounded_and_paid_by_time() -> None:
    bucket = Bucket(60, 10 * SECOND, NOW)
    bucket.take(10_000, NOW)
    assert bucket.wait(1, 0, NOW) == 21 * SECOND


def test_what_is_protected_is_left_to_the_tiers_above() -> None:
    bucket = Bucket(60, 10 * SECOND, NOW)
    assert bucket.wait(7, 250, NOW) == 0
    bucket.take(7, NOW)
    assert bucket.wait(1, 250, NOW) == SECOND // 2
    assert bucket.wait(1, 0, NOW) == 0


def test_what_a_call_did_not_need_comes_back_and_what_it_took_more_is_gone() -> None:
    bucket = Bucket(60, 10 * SECOND, NOW)
    bucket.take(6, NOW)
    bucket.give(4)
    assert bucket.remaining(NOW) == 8
    bucket.give(-3)
    assert bucket.remaining(NOW) == 5
    bucket.give(100)
    assert bucket.remaining(NOW) == 10


def test_the_provider_s_figures_replace_ours() -> None:
    bucket = Bucket(60, 10 * SECOND, NOW)
    bucket.at_most(2, NOW)
    assert bucket.remaining(NOW) == 2
    bucket.allow(30, NOW)
    assert bucket.wait(3, 0, NOW) == 2 * SECOND
    bucket.allow(0, NOW)
    assert bucket.amount == 30
    bucket.close(later(9 * SECOND))
    assert (bucket.remaining(NOW), bucket.wait(1, 0, NOW)) == (0, 9 * SECOND)


@pytest.mark.parametrize("amount", [1, 5])
def test_even_the_smallest_holds_one(amount: int) -> None:
    assert Bucket(amount, SECOND, NOW).wait(1, 0, NOW) == 0
