"""Taking in connections.

uvloop accepts one connection a turn of its loop (libuv 1.45 gave up the inner loop that others have). Under a flood a
turn lasts as long as all busy connections need, so newcomers waited in the kernel's queue for a second and then came
all at once: Enterprise calls on new connections paid for Test's on old ones. Here each turn takes in all that wait, up
to a bound.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

BACKLOG = 2048
"""Connections that the kernel keeps for us; it may keep fewer (net.core.somaxconn)."""

TURN_MAX = 64
"""Connections taken in at one turn of the loop: a few milliseconds' work."""

PAUSE_SECONDS = 0.5
"""How long nobody is taken in after the system refused us a connection: those that are here may end meanwhile."""

SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = logging.getLogger("puyun.gateway")


class Listener:
    """A listening socket on the running loop. What uvicorn asks of a server of the loop's it finds here too."""

    def __init__(self, place: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        self.sockets = (place,)
        self._place = place
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self.entering: set[asyncio.Task[None]] = set()
        self._closed = False
        place.setblocking(False)
        place.listen(BACKLOG)
        self._loop.add_reader(place, self._take_in)

    def close(self) -> None:
        """Take nobody in any more; those who are inside stay."""
        self._closed = True
        self._loop.remove_reader(self._place)

    async def wait_closed(self) -> None:
        """Those who were let in before `close` are inside."""
        await asyncio.gather(*self.entering)

    def _take_in(self) -> None:
        for _ in range(TURN_MAX):
            try:
                newcomer, _ = self._place.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SCARCE:
                    self._rest(error)
                    return
                continue  # that one left while it waited
            newcomer.setblocking(False)
            task = self._loop.create_task(self._enter(newcomer))
            self.entering.add(task)
            task.add_done_callback(self.entering.discard)

    async def _enter(self, newcomer: socket.socket) -> None:
        with suppress(OSError):  # it left meanwhile
            await self._loop.connect_accepted_socket(self._protocol, newcomer)

    def _rest(self, error: OSError) -> None:
        log.error("no connection can be taken in", extra={"error": error.strerror, "again_in": PAUSE_SECONDS})
        self._loop.remove_reader(self._place)
        self._loop.call_later(PAUSE_SECONDS, self._go_on)

    def _go_on(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._place, self._take_in)
