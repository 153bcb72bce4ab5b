"""The place of a process that is all there is: it listens by itself, runs the model, decides, and does every job."""

import asyncio
import socket

from puyun.arbiter.decider import Decider
from puyun.arbiter.local import Local
from puyun.demo import Demonstration, Moved
from puyun.limits.limits import Limits
from puyun.limits.policy import Policy
from puyun.scheduler.scheduler import Scheduler
from puyun.system.clock import SteadyClock


class Alone:
    """A `Place`."""

    first = True

    def __init__(self, sockets: list[socket.socket], demo: Demonstration) -> None:
        self.sockets = sockets
        self._demo = demo

    def started(self, port: int) -> None:
        self._demo.announce(port)

    def arbiter(self) -> Local:
        return Local(Decider(Scheduler(), Limits(Policy())), SteadyClock(), asyncio.get_running_loop())

    async def enter(self, moved: Moved | None) -> None:
        if moved is not None:
            await self._demo.start(moved)

    async def leave(self) -> None:
        await self._demo.stop()
