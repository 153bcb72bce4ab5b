"""Timeouts without timers: every so often, look at each connection once. And the holds of processes that died."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from puyun.gateway.front import sweep
from puyun.gateway.upstream import Pool
from puyun.jobs.stalls import Stalls
from puyun.storage.ledger.owner import Owner
from puyun.storage.ledger.store import LedgerStore, StoreUnavailableError
from puyun.system import crash

CONNECTIONS_SECONDS = 0.5
ORPHANS_SECONDS = 5.0

log = logging.getLogger("puyun.sweep")


async def sweep_connections(connections: Callable[[], Iterable[Any]], pool: Pool, stalls: Stalls) -> None:
    """Idle and slow clients, those that take nothing, silent providers. Runs until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(CONNECTIONS_SECONDS)
        now = loop.time()
        sweep(connections(), now)
        stalls.sweep(connections(), now)
        pool.sweep(now)


class OrphanSweep:
    """Stays alive in the eyes of others, and returns the holds of processes that are gone: uncharged, each with a record
    that says so (I14). `renewed` is called on the loop after `owner` has become another.
    """

    def __init__(self, owner: Owner, store: LedgerStore, renewed: Callable[[], None]) -> None:
        self._owner = owner
        self._store = store
        self._renewed = renewed

    def once(self) -> int:
        """How many holds were returned. Raises StoreUnavailableError."""
        if self._owner.bury():
            crash.reached("owner-buried")
        returned = self._store.expire_orphans()
        if returned:
            crash.reached("holds-returned")
        return returned

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(ORPHANS_SECONDS)
            try:
                if await asyncio.to_thread(self._owner.keep):
                    log.warning("owner_renewed", extra={"owner": self._owner.id, "slot": self._owner.slot})
                    self._renewed()
                returned = await asyncio.to_thread(self.once)
            except StoreUnavailableError as error:
                log.warning("orphan_sweep_failed", extra={"why": str(error)})
                continue
            if returned:
                log.warning("orphans_returned", extra={"holds": returned})

    def close(self) -> None:
        self._store.close()
