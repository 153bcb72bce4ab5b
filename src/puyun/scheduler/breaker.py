"""The breaker of a lane: after too many failures among the last calls nothing is sent, then one call at a time."""

from puyun.scheduler.rules import Rules


class Breaker:
    """`tripped` until a call succeeds. How long nothing is sent, and when a call may try, is the lane's affair."""

    __slots__ = ("_failures", "_seen", "_window", "_worst", "tripped")

    def __init__(self, rules: Rules) -> None:
        self.tripped = False
        self._window = rules.breaker_window
        self._worst = rules.breaker_failures
        self._seen = 0
        """One bit a call, the newest lowest; 1 is a failure."""
        self._failures = 0

    def succeeded(self) -> None:
        if self.tripped:
            self.tripped = False
            self._seen = 0
            self._failures = 0
        elif self._failures:
            self._push(0)

    def failed(self) -> bool:
        """True when this failure trips it, or was that of a call sent to try."""
        if self.tripped:
            return True
        self._push(1)
        self.tripped = self._failures >= self._worst
        return self.tripped

    def _push(self, bit: int) -> None:
        self._seen = (self._seen << 1 | bit) & ((1 << self._window) - 1)
        self._failures = self._seen.bit_count()
