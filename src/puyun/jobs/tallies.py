"""Keeps the tallies of service levels current: what the ledger's batches left in the inbox is added up."""

import asyncio
import logging

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from puyun.storage.service.adding import add_up

EVERY_SECONDS = 2.0

BREATH_SECONDS = 0.02
"""Between two lots, so that calls are not kept waiting for the interpreter."""

log = logging.getLogger("puyun.tallies")


class Tallying:
    """Run by the first worker of each server. Where several servers share a database, each row of the inbox is counted by
    the one that takes it out.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            more = await asyncio.to_thread(self.once)
            await asyncio.sleep(BREATH_SECONDS if more else EVERY_SECONDS)

    def once(self) -> bool:
        """One lot; whether there was any, so that there may be more."""
        try:
            return add_up(self._engine) > 0
        except SQLAlchemyError as error:
            log.warning("tallies_not_added", extra={"why": str(error.__cause__ or error)})
            return False
