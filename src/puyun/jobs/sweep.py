"""Timeouts without timers: every so often, look at each connection once. And the holds of processes that died."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from puyun.gateway.front import sweep
from puyun.gateway.upstream import Pool
from puyun.kit.clock import Clock
from puyun.storage.ledger.owner import Slot, dead_owners, forget
from puyun.storage.ledger.store import LedgerStore

CONNECTIONS_SECONDS = 0.5
ORPHANS_SECONDS = 10.0

log = logging.getLogger("puyun.sweep")


async def sweep_connections(connections: Callable[[], Iterable[Any]], pool: Pool) -> None:
    """Idle and slow clients, silent providers. Runs until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(CONNECTIONS_SECONDS)
        now = loop.time()
        sweep(connections(), now)
        pool.sweep(now)


class OrphanSweep:
    """Returns the holds of processes that are gone: uncharged, each with a record that says so (I14)."""

    def __init__(self, database: Path, owners: Path, clock: Clock, *, me: int, slot: Slot) -> None:
        self._database = database
        self._owners = owners
        self._clock = clock
        self._me = me
        self._slot = slot

    def once(self) -> int:
        """How many holds were returned. Raises sqlite3.Error."""
        dead = dead_owners(self._database, self._owners, self._me, self._slot)
        if not dead:
            return 0
        store = LedgerStore(self._database, self._clock)
        try:
            returned = 0
            for owner in dead:
                returned += store.expire_orphans(owner)
                forget(self._database, owner)
            return returned
        finally:
            store.close()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(ORPHANS_SECONDS)
            try:
                returned = await asyncio.to_thread(self.once)
            except sqlite3.Error as error:
                log.warning("orphan_sweep_failed", extra={"why": str(error)})
                continue
            if returned:
                log.warning("orphans_returned", extra={"holds": returned})
