"""When a child that ended is started again. Pure."""

STEADY = 60.0
"""Seconds after which a child has proved itself; what went wrong before is forgotten."""

LONGEST = 30.0
"""Seconds between two starts at most."""

TRIES = 10
"""Starts in a row that did not last, after which another one would not help: about three minutes."""


def failures(before: int, uptime: float) -> int:
    """Starts in a row that did not last, counting the one that just ended after `uptime` seconds."""
    return 1 if uptime >= STEADY else before + 1


def pause(failures: int) -> float | None:
    """Seconds to wait before the next start after so many in a row that did not last (1 or more); None: give up."""
    return None if failures >= TRIES else min(LONGEST, 2.0 ** (failures - 1))
