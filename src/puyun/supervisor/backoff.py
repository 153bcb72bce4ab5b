"""When a child that ended is started again. Pure."""

STEADY = 10.0
"""Seconds after which a child has proved itself; what went wrong before is forgotten."""

FIRST = 0.05
LONGEST = 5.0


def deaths(before: int, uptime: float) -> int:
    """Deaths in a row, counting the one after `uptime` seconds of life."""
    return 1 if uptime >= STEADY else before + 1


def pause(deaths: int) -> float:
    """Seconds until the next start after so many deaths in a row, 1 or more: next to none at first, since one death is
    an accident and everybody waits; the fourth comes within half a second, later ones are a fault that stays.
    """
    return min(LONGEST, FIRST * 2.0 ** min(deaths - 1, 20))
