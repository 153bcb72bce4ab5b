"""A timer of the event loop for whoever says when it next has something to do."""

import asyncio
from collections.abc import Callable

from puyun.kit.clock import SECOND, Clock, Instant


class Alarm:
    """One timer that follows a decider's `next_wake`; it is set anew only when that comes earlier than it is set for."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, ring: Callable[[Instant], None]) -> None:
        self._loop = loop
        self._clock = clock
        self._ring = ring
        self._at: Instant | None = None
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, at: Instant | None, now: Instant) -> None:
        """Ring at `at`. One that is set for earlier rings in vain and is then set anew: that is cheaper than two heaps."""
        if at is None or (self._at is not None and self._at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._at = at
        self._timer = self._loop.call_later(max(at - now, 0) / SECOND, self._fire)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _fire(self) -> None:
        self._at = self._timer = None
        self._ring(self._clock.now())
