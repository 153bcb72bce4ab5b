"""When a delivery that was not taken is tried again, and when a webhook is given up (N5)."""

from puyun.kit.clock import DAY, HOUR, MINUTE, SECOND, Instant

PAUSES = (5 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 8 * HOUR, 8 * HOUR)
"""After the first try, the second, and so on; a little less than a day in all."""

TRIES = len(PAUSES) + 1

GIVEN_UP_AFTER = 5 * DAY
"""A webhook that has taken nothing for so long is turned off."""

PARTS = 1_000


def again_at(tries: int, now: Instant, dice: int) -> Instant | None:
    """The next try after `tries` of them, up to a tenth later; None when there is none. `dice`: 0 to PARTS - 1, so
    that what failed together does not come back together.
    """
    if tries >= TRIES:
        return None
    pause = PAUSES[max(tries, 1) - 1]
    return Instant(now + pause + pause * (dice % PARTS) // (10 * PARTS))


def given_up(failing_since: Instant | None, now: Instant) -> bool:
    return failing_since is not None and now - failing_since >= GIVEN_UP_AFTER
