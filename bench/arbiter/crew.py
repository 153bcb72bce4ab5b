"""An arbiter's process and workers that do nothing but ask it, kept running by the shipped supervisor."""

import asyncio
import functools
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from puyun.arbiter.message import Configuration
from puyun.arbiter.remote import board, memory, process
from puyun.arbiter.remote.client import Client, unix
from puyun.supervisor import listening
from puyun.supervisor.child import Role
from puyun.supervisor.link import Link
from puyun.supervisor.supervisor import READY, Supervisor
from puyun.system.clock import SteadyClock

Work = Callable[[Client, int, asyncio.Event], Awaitable[None]]
"""What a worker does with its client: its number, and when to stop."""


class Crew:
    """`work` runs in each worker until it returns or is stopped; `watch` runs in a process of its own, and when it returns
    everything stops. Both are forked, so they see what was made before, and leave what they found in shared memory.
    """

    def __init__(self, configuration: Configuration, workers: int, work: Work, watch: Callable[[int], None]) -> None:
        self._configuration = configuration
        self._workers = workers
        self._work = work
        self._watch = watch
        self._board = board.create(workers)
        self._memory = memory.create()

    def run(self) -> None:
        """Raises RuntimeError when it does not start."""
        parent = os.getpid()
        with TemporaryDirectory(prefix="puyun-bench-") as folder:
            path = f"{folder}/arbiter"
            listener = listening.listen_locally(path)
            roles = [
                Role("arbiter", functools.partial(self._arbitrate, listener), 5.0, last=True, longest=0.5),
                Role("watch", functools.partial(self._look_on, parent), 5.0),
                *(
                    Role(f"worker-{number}", functools.partial(self._live, path, number), 5.0, longest=0.5)
                    for number in range(1, self._workers + 1)
                ),
            ]
            fine = Supervisor(roles, lambda: None).run()
            listener.close()
        if not fine:
            raise RuntimeError("the crew did not start; see above")

    def _arbitrate(self, listener: socket.socket, link: Link) -> None:
        state = memory.Memory(self._memory)
        told = functools.partial(link.tell, READY)
        uvloop.run(process.serve(listener, state, SteadyClock(), workers=self._workers, ready=told))

    def _look_on(self, parent: int, link: Link) -> None:
        link.tell(READY)
        self._watch(parent)
        os.kill(parent, signal.SIGTERM)
        time.sleep(60)

    def _live(self, path: str, number: int, link: Link) -> None:
        uvloop.run(self._worker(path, number, link))

    async def _worker(self, path: str, number: int, link: Link) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        place = board.Board(self._board, number, self._workers)
        client = Client(unix(path), place, SteadyClock(), worker=number, workers=self._workers)
        client.configure(self._configuration)
        running = asyncio.ensure_future(client.run())
        await client.meet(5.0)
        link.tell(READY)
        await self._work(client, number, stop)
        await stop.wait()
        running.cancel()


def pids(parent: int) -> dict[str, int]:
    """Of the crew's processes, by role."""
    found: dict[str, int] = {}
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        try:
            found[Path(f"/proc/{pid}/comm").read_text().strip().removeprefix("puyun ")] = int(pid)
        except OSError:
            continue
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
