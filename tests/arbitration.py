"""An arbiter behind a real socket, and workers' clients of it, in one event loop: it can die and come back."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Self

import uvloop
from asking import configuration, lane
from scripted import until

from puyun.arbiter.decider import Decider
from puyun.arbiter.message import Configuration
from puyun.arbiter.remote import board, memory
from puyun.arbiter.remote.client import Client, unix
from puyun.arbiter.remote.kept import KeptLimits
from puyun.arbiter.remote.memory import Memory
from puyun.arbiter.remote.server import Desk
from puyun.scheduler.scheduler import Scheduler
from puyun.system.clock import SteadyClock


class Arbitration:
    """`workers` clients, numbered from 1. All are told the same lanes."""

    desk: Desk

    def __init__(self, *, workers: int = 2, lanes: Configuration | None = None) -> None:
        self.workers = workers
        self.lanes = lanes or configuration(lane(seats=2))
        self.clients: list[Client] = []
        self.epoch = 0
        self.clock = SteadyClock()
        self._tasks: list[asyncio.Task[None]] = []
        self._folder = TemporaryDirectory(prefix="puyun-test-")
        self._path = f"{self._folder.name}/arbiter"
        self._board = board.create(workers)
        self._memory = memory.create()
        self._server: asyncio.AbstractServer | None = None

    async def __aenter__(self) -> Self:
        self.clients = [self.client(number) for number in range(1, self.workers + 1)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.die()
        self._folder.cleanup()

    def client(self, number: int) -> Client:
        """Another one in the place of a worker, as after its death."""
        place = board.Board(self._board, number, self.workers)
        client = Client(unix(self._path), place, self.clock, worker=number, workers=self.workers)
        client.configure(self.lanes)
        return client

    def connect(self, *clients: Client) -> None:
        self._tasks += [asyncio.ensure_future(client.run()) for client in clients or self.clients]

    async def start(self, *, expected: int = 0) -> None:
        """An arbiter that knows of those before it what outlives them."""
        self.epoch += 1
        place = Memory(self._memory)
        limits = KeptLimits(place, self.epoch)
        limits.recall(place.load(), self.clock.now())
        decider = Decider(Scheduler(), limits)
        self.desk = Desk(decider, self.clock, epoch=self.epoch, expected=expected, kept=limits)
        self._server = await asyncio.get_running_loop().create_unix_server(self.desk.peer, self._path)

    async def joined(self) -> Self:
        """Started, and every client joined."""
        await self.start()
        self.connect()
        await until(lambda: all(client.joined for client in self.clients), "all workers to join")
        return self

    def die(self) -> None:
        """As if killed: it says nothing more, and its connections are gone."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self.desk.close()

    async def away(self) -> None:
        """Dead, and every client knows."""
        self.die()
        await until(lambda: not any(client.joined for client in self.clients), "all workers to be by themselves")

    async def back(self) -> None:
        """Another one after that, and every client joined."""
        await self.start(expected=self.workers)
        await until(lambda: all(client.joined for client in self.clients), "all workers to join again")


def play(scene: Callable[[Arbitration], Awaitable[None]], **options: object) -> None:
    async def run() -> None:
        async with Arbitration(**options) as stage:  # pyright: ignore[reportArgumentType] - the scene's own
            await scene(stage)

    uvloop.run(run())
