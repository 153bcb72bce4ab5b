"""N5: the tries of a delivery end, and those that failed together do not come back together."""

from hypothesis import given, strategies as st

from puyun.kit.clock import DAY, HOUR, MINUTE, Instant
from puyun.notices.retry import GIVEN_UP_AFTER, PARTS, PAUSES, TRIES, again_at, given_up


@given(st.lists(st.integers(0, PARTS - 1), min_size=TRIES, max_size=TRIES))
def test_the_tries_end_within_a_day_or_so(dice: list[int]) -> None:
    now = Instant(0)
    for tries in range(1, TRIES):
        again = again_at(tries, now, dice[tries])
        assert again is not None
        assert again - now >= PAUSES[tries - 1]
        now = again
    assert 23 * HOUR < now < DAY + 3 * HOUR
    assert again_at(TRIES, now, dice[0]) is None


def test_dice_spread_by_up_to_a_tenth() -> None:
    assert again_at(2, Instant(0), 0) == MINUTE
    assert again_at(2, Instant(0), PARTS - 1) == MINUTE + MINUTE // 10 - MINUTE // (10 * PARTS)


def test_a_webhook_is_given_up_after_days_of_failures() -> None:
    assert not given_up(None, Instant(GIVEN_UP_AFTER))
    assert not given_up(Instant(0), Instant(GIVEN_UP_AFTER - 1))
    assert given_up(Instant(0), Instant(GIVEN_UP_AFTER))
