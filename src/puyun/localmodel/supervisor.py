"""Keeps the embedded model's child process running, and says where it can be called."""

import asyncio
import http.client
import logging
import secrets
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from puyun.localmodel import restart
from puyun.localmodel.availability import SMOLLM2, Available, Unavailable
from puyun.localmodel.engine import Announcement, Order

# -P: a folder named puyun where the operator happens to stand is not ours.
COMMAND = (sys.executable, "-P", "-m", "puyun.localmodel")

START_LIMIT = 60.0
"""Seconds from the child's start to its port; a large model on a slow disk takes long."""

STOP_LIMIT = 5.0
"""Seconds a child has after SIGTERM before SIGKILL."""

_HEALTH_LIMIT = 10.0
_REASON_MAX = 300
_LAST_WORDS = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model can be called now. `base_url` as in a catalogue: `http://127.0.0.1:PORT/v1`."""

    base_url: str
    api_key: str = field(repr=False)


class _ChildError(Exception):
    """A child that did not come up; the message says why."""


class LocalModel:
    """One supervised child. `on_endpoint` is told each time the endpoint appears, moves or is gone (None).

    `state` is for people: starting, ready, restarting, stopped, or `unavailable: ` and the reason.
    `command` and `pause` are what tests replace: the child, and the seconds after so many failed starts.
    """

    def __init__(
        self,
        found: Available | Unavailable,
        on_endpoint: Callable[[Endpoint | None], None],
        *,
        command: Sequence[str] = COMMAND,
        pause: Callable[[int], float | None] = restart.pause,
        start_limit: float = START_LIMIT,
        stop_limit: float = STOP_LIMIT,
    ) -> None:
        self.state = f"unavailable: {found.reason}" if isinstance(found, Unavailable) else "stopped"
        self._found = found
        self._on_endpoint = on_endpoint
        self._command = command
        self._pause = pause
        self._start_limit = start_limit
        self._stop_limit = stop_limit
        self._api_key = secrets.token_urlsafe(32)
        self._endpoint: Endpoint | None = None
        self._settled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def endpoint(self) -> Endpoint | None:
        return self._endpoint

    async def start(self) -> None:
        """Returns at once; the child comes up meanwhile. Call it in the main thread: the child ends with its thread."""
        if isinstance(self._found, Available) and self._task is None:
            self.state = "starting"
            self._settled.clear()
            self._task = asyncio.create_task(self._supervise(self._found), name="local model")
        elif self._task is None:
            self._settled.set()

    async def settled(self) -> Endpoint | None:
        """The endpoint once the model is ready for the first time; None once it is clear that it cannot be."""
        await self._settled.wait()
        return self._endpoint

    async def stop(self) -> None:
        """Ends the child. Raises what `on_endpoint` raised, if it did."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self.state = "stopped"
        self._settled.set()

    async def _supervise(self, found: Available) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            began = clock()
            why = await self._run(found)
            failures = restart.failures(failures, clock() - began)
            pause = self._pause(failures)
            if pause is None:
                self.state = f"unavailable: {why}"
                self._settled.set()
                _log.error("the local model is given up after %d starts: %s", failures, why)
                return
            self.state = "restarting"
            _log.warning("the local model %s; starting it again in %g s", why, pause)
            await asyncio.sleep(pause)

    async def _run(self, found: Available) -> str:
        """One life of the child; returns why it ended."""
        try:
            process = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
        except OSError as error:
            return f"could not be started: {error}"
        words: deque[str] = deque(maxlen=_LAST_WORDS)
        listening = asyncio.create_task(_listen(process, words))
        try:
            async with asyncio.timeout(self._start_limit):
                port = await _port(process, self._order(found))
                await asyncio.to_thread(_check_health, port)
            self._publish(Endpoint(f"http://127.0.0.1:{port}/v1", self._api_key))
            await _drain(process)
            why = "ended"
        except TimeoutError:
            why = f"did not come up within {self._start_limit:g} s"
        except _ChildError as error:
            why = str(error)
        finally:
            self._publish(None)
            await self._end(process)
            await listening
        return f"{why} ({_exit(process)}){': ' if words else ''}{words[-1][:_REASON_MAX] if words else ''}"

    def _order(self, found: Available) -> bytes:
        packaged = found.name == SMOLLM2
        order = Order(path=str(found.path), name=found.name, api_key=self._api_key, packaged=packaged)
        return msgspec.json.encode(order) + b"\n"

    def _publish(self, endpoint: Endpoint | None) -> None:
        if endpoint == self._endpoint:
            return
        self._endpoint = endpoint
        if endpoint is not None:
            self.state = "ready"
            self._settled.set()
            _log.info("the local model is ready at %s", endpoint.base_url)
        self._on_endpoint(endpoint)

    async def _end(self, process: Process) -> None:
        """SIGTERM, then SIGKILL for one that does not listen."""
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
            try:
                async with asyncio.timeout(self._stop_limit):
                    await process.wait()
            except TimeoutError:
                process.kill()
        await process.wait()


async def _port(process: Process, order: bytes) -> int:
    """Sends the order, reads the answer."""
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(order)
        await process.stdin.drain()
        line = await process.stdout.readline()
    except (ConnectionError, ValueError) as error:  # ValueError: a line longer than the stream's limit
        raise _ChildError("did not say its port") from error
    if not line:
        await process.wait()
        raise _ChildError("ended before it said its port")
    try:
        announcement = msgspec.json.decode(line, type=Announcement)
    except msgspec.DecodeError as error:
        raise _ChildError("did not say its port") from error
    if not announcement.port:
        await process.wait()
        raise _ChildError(announcement.failure or "has no port")
    return announcement.port


def _check_health(port: int) -> None:
    """Raises _ChildError. It blocks, within its limit: once in a child's life that is not worth a client of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_HEALTH_LIMIT)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise _ChildError(f"does not answer on port {port}") from error
    finally:
        connection.close()
    if status != 200:
        raise _ChildError(f"answers its health check with status {status}")


async def _drain(process: Process) -> None:
    """Returns when the child ends; what it prints meanwhile is dropped, since a full pipe would stop it."""
    assert process.stdout
    while await process.stdout.read(4096):
        pass
    await process.wait()


async def _listen(process: Process, words: deque[str]) -> None:
    """Keeps the last lines that the child says on stderr."""
    assert process.stderr
    rest = b""
    while chunk := await process.stderr.read(4096):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[-_REASON_MAX:]
        for line in [line.decode(errors="replace").strip() for line in lines]:
            if line:
                words.append(line)
                _log.debug("local model: %s", line)


def _exit(process: Process) -> str:
    code = process.returncode or 0
    return f"signal {-code}" if code < 0 else f"exit code {code}"
