"""Looking at balances, far from the hot path: which ones fell through a threshold, and which rose above it again."""

import asyncio
import logging

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from puyun.kit.clock import Clock
from puyun.storage.engine import reading, writing
from puyun.storage.notify.watching import any_changed, look_at_balances

SECONDS = 15.0
BREATH_SECONDS = 0.1
AT_A_TIME = 200

log = logging.getLogger("puyun.balances")


class Balances:
    """Of several processes each may do it: what one has seen and told, the others find in the database."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                looked = await asyncio.to_thread(self.once)
            except DBAPIError as error:
                looked = 0
                log.warning("balances_not_looked_at", extra={"error": str(error.orig)})
            await asyncio.sleep(BREATH_SECONDS if looked == AT_A_TIME else SECONDS)

    def once(self) -> int:
        """One round; returns how many balances had crossed a line. Raises DBAPIError."""
        with reading(self._engine) as connection:
            if not any_changed(connection):
                return 0
        with writing(self._engine) as connection:
            return look_at_balances(connection, self._clock.now(), AT_A_TIME)
