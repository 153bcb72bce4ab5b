"""A child process with a log, which is always ended and always waited for."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from stage.waiting import PATIENCE, until

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """A test run that is killed leaves nothing behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Child:
    def __init__(self, name: str, arguments: list[str], *, folder: Path, env: dict[str, str] | None = None) -> None:
        self.name = name
        self._log = folder / f"{name}-{time.time_ns()}.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | (env or {}),
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the tests start children from their one thread
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str) -> str:
        """The first line of the log that contains `text`."""

        def found() -> str | None:
            line = next((line for line in self.log().splitlines() if text in line), None)
            assert line or self.alive, f"{self.name} ended with {self._process.returncode}:\n{self.log()}"
            return line

        return until(found, f"{text!r} from {self.name}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL for one that does not listen; the exit code."""
        if self.alive:
            self._process.terminate()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def resident(self) -> int:
        """Bytes of resident memory now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"{self.name} is gone")
