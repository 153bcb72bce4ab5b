"""The parent: starts its children, restarts who dies, passes their words on, stops them in order."""

import logging
import selectors
import signal
import socket
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from puyun.supervisor.child import SIGNALS, Child, Role

READY = "ready"
"""What a child says once it does what it is for."""

log = logging.getLogger("puyun.supervisor")


class Supervisor:
    """`all_ready` is called once, when every child has said so for the first time.

    Whatever else a child says is passed on to all others as `ROLE WORDS`, and again to each that is started later; when
    it dies, as `ROLE ` with no words.
    """

    def __init__(self, roles: Sequence[Role], all_ready: Callable[[], None]) -> None:
        self._children = [Child(role) for role in roles]
        self._all_ready = all_ready
        self._up = False
        self._stopping = False
        self._failed = False
        self._said: dict[str, str] = {}
        self._selector = selectors.DefaultSelector()

    def run(self) -> bool:
        """Until a signal says stop and all have stopped. False when the start failed: a child ended before all were
        ready.
        """
        with self._selector, _wakeups() as woken:
            self._selector.register(woken, selectors.EVENT_READ, None)
            while True:
                now = time.monotonic()
                if self._stopping:
                    self._stop(now)
                    if not any(child.pid for child in self._children):
                        return not self._failed
                else:
                    self._start_due(now)
                self._listen(woken, self._patience(now))

    # --- children --------------------------------------------------------------------------------------------------
    def _start_due(self, now: float) -> None:
        for child in self._children:
            if not child.pid and child.due <= now:
                link = child.start([other.link for other in self._children if other.link is not None])
                self._selector.register(link, selectors.EVENT_READ, child)
                for name, words in self._said.items():
                    link.tell(f"{name} {words}")

    def _bury(self) -> None:
        for child in self._children:
            ended = child.reap()
            if ended is None:
                continue
            self._hear(child)
            self._hang_up(child)
            if self._said.pop(child.role.name, None) is not None:
                self._pass_on(child, "")
            if self._stopping:
                continue
            log.warning("child_ended", extra={"child": child.role.name, "how": ended})
            if not self._up:
                self._failed = self._stopping = True

    def _hang_up(self, child: Child) -> None:
        if child.link is not None:
            self._selector.unregister(child.link)
            child.link.close()
            child.link = None

    def _stop(self, now: float) -> None:
        """Those that are not `last` first; the others when none of them is left."""
        first = [child for child in self._children if child.pid and not child.role.last]
        for child in first or self._children:
            if child.killed_at is None:
                child.signal(signal.SIGTERM)
                child.killed_at = now + child.role.grace
            elif child.killed_at <= now:
                log.warning("child_killed", extra={"child": child.role.name})
                child.signal(signal.SIGKILL)
                child.killed_at = now + child.role.grace

    # --- words -----------------------------------------------------------------------------------------------------
    def _listen(self, woken: socket.socket, patience: float | None) -> None:
        for key, _ in self._selector.select(patience):
            child: Child | None = key.data
            if child is None:
                self._heed(woken.recv(4096))
            elif not self._hear(child):
                self._hang_up(child)

    def _heed(self, signals: bytes) -> None:
        for number in signals:
            if number == signal.SIGCHLD:
                self._bury()
            elif not self._stopping:
                self._stopping = True
            elif number == signal.SIGINT:  # the second time: whoever runs still is told to hurry
                for child in self._children:
                    child.signal(signal.SIGINT)

    def _hear(self, child: Child) -> bool:
        """What it said since; False once it says no more."""
        lines = child.link.hear() if child.link is not None else None
        for line in lines or ():
            if line == READY:
                child.ready = True
                self._count_ready()
            else:
                self._said[child.role.name] = line
                self._pass_on(child, line)
        return lines is not None

    def _count_ready(self) -> None:
        if not self._up and not self._stopping and all(child.ready for child in self._children):
            self._up = True
            self._all_ready()

    def _pass_on(self, speaker: Child, words: str) -> None:
        for child in self._children:
            if child is not speaker and child.link is not None:
                child.link.tell(f"{speaker.role.name} {words}")

    def _patience(self, now: float) -> float | None:
        """Seconds until something is due; None: only a signal or a child's word is awaited."""
        if self._stopping:
            due = [child.killed_at for child in self._children if child.pid and child.killed_at is not None]
        else:
            due = [child.due for child in self._children if not child.pid]
        return max(0.0, min(due) - now) if due else None


@contextmanager
def _wakeups() -> Generator[socket.socket]:
    """Signals as bytes to be read, each its number."""
    ours, kernels = socket.socketpair()
    with ours, kernels:
        ours.setblocking(False)
        kernels.setblocking(False)
        before = {number: signal.signal(number, lambda _number, _frame: None) for number in SIGNALS}
        signal.set_wakeup_fd(kernels.fileno())
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
