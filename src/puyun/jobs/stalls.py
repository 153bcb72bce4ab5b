"""Clients that take nothing of what is sent to them: after a while they are gone, in all but their connection.

Such a client holds a call, its hold and the provider's connection open. To end it is as if it had left: a stream is
paid for what was let through.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol


class Sending(Protocol):
    """A connection as far as it matters here."""

    @property
    def transport(self) -> asyncio.Transport: ...


class Stalls:
    """Compares what waits to be sent between two looks; nothing is kept of a connection that has nothing waiting."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._seen: dict[Sending, tuple[int, float]] = {}

    def sweep(self, connections: Iterable[Sending], now: float) -> None:
        """Abort those whose client has taken nothing for `patience` seconds. Called every half second or so."""
        seen: dict[Sending, tuple[int, float]] = {}
        for connection in list(connections):
            waiting = connection.transport.get_write_buffer_size()
            if not waiting:
                continue
            before, since = self._seen.get(connection, (0, now))
            if waiting < before:
                since = now
            if now - since > self._patience:
                connection.transport.abort()
            else:
                seen[connection] = waiting, since
        self._seen = seen
