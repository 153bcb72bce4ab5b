"""A lane's token bucket: what its provider allows per minute, counted here before the provider counts it."""

from puyun.kit.clock import MINUTE, Instant


class Bucket:
    """Fills by `amount` a minute, holds what fills in `burst` µs but at least 1.

    The level is kept in units × µs of a minute, so that it is exact. It goes below zero by what a call took more than
    was estimated, or more than the bucket ever holds.
    """

    __slots__ = ("amount", "at", "burst", "cap", "level", "until")

    def __init__(self, amount: int, burst: int, now: Instant) -> None:
        self.amount: int = amount
        self.burst = burst
        self.cap: int = max(amount * burst, MINUTE)
        self.level: int = self.cap
        self.at = now
        self.until = now
        """Closed until then: the provider said so."""

    def wait(self, need: int, protect: int, now: Instant) -> int:
        """Microseconds until `need` can be taken and `protect` per mille stay; a full bucket is enough for anything."""
        if now > self.at:
            self._fill(now)
        reserve = self.cap * protect // 1000
        lacking = min(need * MINUTE + reserve, self.cap) - self.level
        closed = self.until - now
        if lacking <= 0:
            return max(closed, 0)
        return max(-(-lacking // self.amount), closed)

    def take(self, need: int, now: Instant) -> None:
        if now > self.at:
            self._fill(now)
        self.level = max(self.level - need * MINUTE, -2 * self.cap)

    def give(self, back: int) -> None:
        """What was taken too much; negative: too little."""
        self.level = max(min(self.level + back * MINUTE, self.cap), -2 * self.cap)

    def allow(self, amount: int, now: Instant) -> None:
        """The provider's own figure replaces ours."""
        if amount != self.amount and amount > 0:
            self._fill(now)
            self.amount = amount
            self.cap = max(amount * self.burst, MINUTE)
            self.level = min(self.level, self.cap)

    def at_most(self, remaining: int, now: Instant) -> None:
        """Others may use the same credential: what the provider has left is all there is."""
        self._fill(now)
        self.level = min(self.level, remaining * MINUTE)

    def close(self, until: Instant) -> None:
        self.until = max(self.until, until)

    def remaining(self, now: Instant) -> int:
        self._fill(now)
        return max(self.level, 0) // MINUTE if now >= self.until else 0

    def _fill(self, now: Instant) -> None:
        if now > self.at:
            self.level = min(self.level + self.amount * (now - self.at), self.cap)
            self.at = now
