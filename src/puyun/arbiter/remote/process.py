"""The life of an arbiter's process: it listens on a socket that it was given, until it is told to stop and nobody is left."""

import asyncio
import signal
import socket
from collections.abc import Callable

from puyun.arbiter.decider import Decider
from puyun.arbiter.remote.kept import KeptLimits
from puyun.arbiter.remote.memory import Memory
from puyun.arbiter.remote.server import Desk
from puyun.kit.clock import Clock
from puyun.scheduler.scheduler import Scheduler

HANG_SECONDS = 2
"""An arbiter that does not turn its loop for so long is killed by the kernel, before workers give it up."""

TURN_SECONDS = 0.5


async def serve(
    listener: socket.socket, memory: Memory, clock: Clock, *, workers: int, ready: Callable[[], None]
) -> None:
    """Until SIGTERM, and then until the last worker is gone, since running streams have seats. `memory` is what an
    arbiter before this one left.
    """
    loop = asyncio.get_running_loop()
    before = memory.load()
    epoch = before.epoch + 1
    limits = KeptLimits(memory, epoch)
    limits.recall(before, clock.now())
    desk = Desk(Decider(Scheduler(), limits), clock, epoch=epoch, expected=workers if before.epoch else 0, kept=limits)
    stop = asyncio.Event()

    def told() -> None:
        desk.on_empty = stop.set
        if desk.empty:
            stop.set()

    loop.add_signal_handler(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's goes to workers too, and they end first
    server = await loop.create_unix_server(desk.peer, sock=listener)
    ready()
    try:
        while not stop.is_set():
            signal.alarm(HANG_SECONDS)
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue
    finally:
        signal.alarm(0)
        desk.close()
        server.close()
