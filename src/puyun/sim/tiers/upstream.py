"""How a lane truly behaves: what it allows, how fast it is, and what it says when it refuses. Nobody else knows."""

from puyun.kit.clock import SECOND
from puyun.sim.scenario import FIRST_TOKEN, Upstream, at
from puyun.sim.trace import SPEED

REFUSING = 50_000
"""Microseconds that a 429 takes to arrive."""


class Behaviour:
    """One lane at work. Times in microseconds."""

    def __init__(self, described: Upstream) -> None:
        self.described = described
        self.busy = 0
        self.refusals: list[int] = []
        """When each was made."""
        self.taken: list[int] = []
        """When each call was taken."""
        self._steady = not described.allows and not described.slower

    def take(self, now: int, output: int) -> tuple[int, int] | None:
        """Microseconds to the first byte and to the last; None: it refuses."""
        if self._steady:
            factor = 100
        else:
            allows = at(self.described.allows, now, None)
            if allows is not None and self.busy >= allows:
                self.refusals.append(now)
                return None
            factor = at(self.described.slower, now, 100) or 100
        self.busy += 1
        self.taken.append(now)
        first = FIRST_TOKEN * factor // 100
        return first, first + output * SECOND * factor // (SPEED * 100)

    def free(self) -> None:
        self.busy -= 1
