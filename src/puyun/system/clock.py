"""The machine's clock."""

import time

from puyun.kit.clock import Instant


class SystemClock:
    """UTC by the machine. It may jump; nothing that decides about money relies on it (I22)."""

    def now(self) -> Instant:
        return Instant(time.time_ns() // 1000)
