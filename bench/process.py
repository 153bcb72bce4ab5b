"""Starts programs on a core of their own, waits until they serve, stops them."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

READY_WITHIN = 90.0  # seconds; a peer imports for a while
STOP_WITHIN = 10.0


class NotReadyError(RuntimeError):
    """A program did not come up; the message holds the end of its log."""


class Process:
    """One program with its descendants: they end together, whatever they do about it. `core`: one, or several as `0,1`."""

    def __init__(
        self, command: Sequence[str | Path], *, core: int | str, log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self.pid = self._popen.pid

    @property
    def ended(self) -> bool:
        return self._popen.poll() is not None

    def wait(self, seconds: float = 0.0) -> None:
        """Until it has ended by itself, within so many seconds and STOP_WITHIN; else it is stopped."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds + STOP_WITHIN)
        self.stop()

    def stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                break
            try:
                self._popen.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                continue


def last_words(log: Path) -> str:
    """The end of what a program wrote."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int, path: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether GET `path` succeeds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        return connection.getresponse().status < 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_ready(process: Process, port: int, path: str) -> float:
    """Seconds from now until GET `path` succeeds; asked every few milliseconds. Raises NotReadyError."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < READY_WITHIN and not process.ended:
        if answers(port, path):
            return time.monotonic() - began
        time.sleep(0.003)
    raise NotReadyError(f"not ready after {passed:.1f} s: {process.log}\n{last_words(process.log)}")
