"""Several workers, and what they share: the port, an arbiter, the embedded model, and memory that outlives each."""

import asyncio
import functools
import gc
import os
import signal
import socket
from collections.abc import Callable
from tempfile import TemporaryDirectory

import msgspec
import uvloop

from puyun.arbiter.remote import board, memory, process
from puyun.arbiter.remote.client import Client, unix
from puyun.config import Settings
from puyun.demo import Demonstration, Moved
from puyun.kit.errors import Blame, PuyunError
from puyun.localmodel.supervisor import Endpoint
from puyun.storage.engine import open_engine
from puyun.supervisor import listening
from puyun.supervisor.child import Role
from puyun.supervisor.link import Link
from puyun.supervisor.supervisor import READY, Supervisor
from puyun.system.clock import SteadyClock, SystemClock
from puyun.wiring import gateway

MODEL = "model"
"""The child that runs the embedded model; what it says is where that is."""

ARBITER_PAUSE = 0.5
"""Seconds at most until a dead arbiter is started again: every call waits for it."""

GRACE = 10.0
"""Seconds a child has to end once there is nothing more to wait for."""


class Crew:
    """The parent's side. Children are forked, so what is here they have too."""

    def __init__(
        self, settings: Settings, clock: SystemClock, demo: Demonstration, reserved: list[socket.socket]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._demo = demo
        self.workers = settings.server.workers
        self.reserved = reserved
        self.board = board.create(self.workers)
        self.path = ""
        self._memory = memory.create()

    def run(self) -> None:
        """Raises PuyunError `start_failed`."""
        grace = self._settings.server.shutdown_seconds + GRACE
        port: int = self.reserved[0].getsockname()[1]
        with TemporaryDirectory(prefix="puyun-") as folder:
            self.path = f"{folder}/arbiter"
            listener = listening.listen_locally(self.path)
            roles = [
                Role("arbiter", functools.partial(self._arbitrate, listener), GRACE, last=True, longest=ARBITER_PAUSE),
                *(
                    Role(f"worker-{number}", functools.partial(self._work, number), grace)
                    for number in range(1, self.workers + 1)
                ),
            ]
            if self._demo.has_model:
                roles.append(Role(MODEL, self._keep_model, GRACE, last=True))
            gc.collect()
            gc.freeze()
            fine = Supervisor(roles, lambda: self._demo.announce(port)).run()
        if not fine:
            text = "A process ended before all of them were ready. Why is in the log above; then start again."
            raise PuyunError("start_failed", 500, text, blame=Blame.OPERATOR)

    def _arbitrate(self, listener: socket.socket, link: Link) -> None:
        listening.release(self.reserved)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._arbiter(listener, link))

    async def _arbiter(self, listener: socket.socket, link: Link) -> None:
        listen_to(link, lambda _: None)
        state = memory.Memory(self._memory)
        told = functools.partial(link.tell, READY)
        await process.serve(listener, state, SteadyClock(), workers=self.workers, ready=told)

    def _work(self, number: int, link: Link) -> None:
        place = Worker(link, self, number)
        engine = open_engine(self._settings.database_place)
        gateway.run(gateway.Gateway(self._settings, engine, self._clock, self._demo, place))

    def _keep_model(self, link: Link) -> None:
        listening.release(self.reserved)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._model(link))

    async def _model(self, link: Link) -> None:
        """The embedded model, until it is told to stop or the parent is gone. Calls need not wait for it."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()

        def moved(endpoint: Endpoint | None) -> None:
            link.tell(msgspec.json.encode(endpoint).decode() if endpoint else "")

        listen_to(link, lambda _: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self._demo.start(moved)
        link.tell(READY)
        await stop.wait()
        await self._demo.stop()


class Worker:
    """A `Place` among others: sockets of its own, and the parent at the other end of its link."""

    def __init__(self, link: Link, crew: Crew, number: int) -> None:
        self.sockets = listening.open_shared(crew.reserved)
        listening.release(crew.reserved)
        self.first = number == 1
        self._link = link
        self._crew = crew
        self._number = number
        self._moved: Moved | None = None

    def started(self, _port: int) -> None:
        self._link.tell(READY)

    def arbiter(self) -> Client:
        crew = self._crew
        place = board.Board(crew.board, self._number, crew.workers)
        return Client(unix(crew.path), place, SteadyClock(), worker=self._number, workers=crew.workers)

    async def enter(self, moved: Moved | None) -> None:
        self._moved = moved
        listen_to(self._link, self._hear)

    async def leave(self) -> None:
        asyncio.get_running_loop().remove_reader(self._link)

    def _hear(self, line: str) -> None:
        name, _, words = line.partition(" ")
        if name == MODEL and self._moved is not None:
            self._moved(msgspec.json.decode(words, type=Endpoint) if words else None)


def listen_to(link: Link, hear: Callable[[str], None]) -> None:
    """Hand over what the parent says, line by line. When it is gone nobody would start this process again, so it stops
    as if it had been told to.
    """
    loop = asyncio.get_running_loop()

    def read() -> None:
        lines = link.hear()
        if lines is None:
            loop.remove_reader(link)
            os.kill(os.getpid(), signal.SIGTERM)
        for line in lines or ():
            hear(line)

    loop.add_reader(link, read)
