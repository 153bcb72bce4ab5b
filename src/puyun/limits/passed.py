"""A call that its limits have let in."""

from puyun.claim import Claim
from puyun.kit.clock import Instant
from puyun.limits.cells import Vector
from puyun.limits.reading import Reading


class Passed:
    """A call that was let in at `now`, and the tokens that are counted for it until its end."""

    __slots__ = ("claim", "delay", "input", "now", "output", "vector", "waiting")

    def __init__(self, claim: Claim, vector: Vector, now: Instant, delay: int = 0, *, waiting: bool = False) -> None:
        self.claim = claim
        self.vector = vector
        self.now = now
        self.input = claim.input
        self.output = claim.output
        self.delay = delay
        """Microseconds to keep it back before it goes on, never more than its patience."""
        self.waiting = waiting
        """Not yet in flight: a `release` of another call names it when it is."""

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Its limits, with what all calls have used of them until this is asked, as they stood when it was let in."""
        return tuple(cell.reading(self.now) for cell in self.vector.cells)
