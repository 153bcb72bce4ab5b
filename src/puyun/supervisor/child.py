"""One child: what it runs, its life so far, its end of the line."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from puyun.supervisor import backoff
from puyun.supervisor.link import Link

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
"""What the parent handles, and a child begins without."""

FAILED = 70
"""The exit code of a child that ended by an error (EX_SOFTWARE)."""


@dataclass(frozen=True, slots=True)
class Role:
    """What a child is for. `run` returns when it has ended in good order: it stops on SIGTERM, or when its link ends.

    `last`: it is stopped only after all that are not. `grace`: seconds from there to SIGKILL. `longest`: seconds at most
    until it is started again.
    """

    name: str
    run: Callable[[Link], None]
    grace: float
    last: bool = False
    longest: float = backoff.LONGEST


class Child:
    """A role, and the process that has it at the moment."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.pid = 0
        """0 while there is no process."""
        self.ready = False
        self.link: Link | None = None
        self.due = 0.0
        """When to start it, while there is no process."""
        self.killed_at: float | None = None
        """When SIGKILL follows the stop signal."""
        self._deaths = 0
        self._born = 0.0

    def start(self, others: Iterable[Link]) -> Link:
        """Fork. The child closes the parent's ends of all links: they would seem open after the parent's death."""
        mine, its = Link.pair()
        sys.stdout.flush()  # or the child has the same words to say
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self._born = time.monotonic()
        self.pid = os.fork()
        if not self.pid:
            for link in (mine, *others):
                link.close()
            _live(self.role, its)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        its.close()
        self.link = mine
        self.ready = False
        self.killed_at = None
        return mine

    def reap(self) -> str | None:
        """How it ended, if it has; a new start is due then."""
        if not self.pid:
            return None
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return None
        self.pid = 0
        self._deaths = backoff.deaths(self._deaths, time.monotonic() - self._born)
        self.due = time.monotonic() + min(backoff.pause(self._deaths), self.role.longest)
        code = os.waitstatus_to_exitcode(status)
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def signal(self, number: signal.Signals) -> None:
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _live(role: Role, link: Link) -> None:
    """The child's life; it ends here, and nothing of the parent's is unwound."""
    code = FAILED
    try:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        _be_called(f"puyun {role.name}")
        role.run(link)
        code = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _be_called(name: str) -> None:
    """For `ps` and `top`, where the kernel has it so."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name, "utf-8")
