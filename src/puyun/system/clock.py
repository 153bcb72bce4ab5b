"""The machine's clock."""

import time

from puyun.kit.clock import Instant


class SystemClock:
    """UTC by the machine. It may jump; nothing that decides about money relies on it (I22)."""

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1000)


class SteadyClock:
    """UTC as it was when the clock was made, and since then as much later as time has passed: it never jumps. For
    queues, deadlines and rates, which would all run out, or stand still, when the machine's clock is set.
    """

    def __init__(self) -> None:
        self._offset = time.time_ns() - time.monotonic_ns()

    def now(self) -> Instant:
        return Instant((time.monotonic_ns() + self._offset) // 1000)
