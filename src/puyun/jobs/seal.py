"""The books' own clockwork: expired bonus is cut off, and hours that are closed are sealed."""

import asyncio
import logging

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from puyun.kit.clock import Clock
from puyun.kit.errors import PuyunError
from puyun.storage.engine import reading, writing
from puyun.storage.money.grants import expire_lot, lots_due
from puyun.storage.money.seals import add_seal, draft_seal

EVERY_SECONDS = 60.0

CHUNK = 200
"""Rows hashed between two breaths: more would keep the interpreter from the calls that run."""

log = logging.getLogger("puyun.seal")


class Sealing:
    """One in each process; whoever comes first does the work, and the others find it done."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def once(self) -> None:
        """Raises SQLAlchemyError."""
        now = self._clock.now()
        with reading(self._engine) as connection:
            due = lots_due(connection, now)
        for org, number in due:
            with writing(self._engine) as connection:
                if (org, number) in lots_due(connection, now):
                    expire_lot(connection, org, number, now)
        with reading(self._engine) as connection:
            draft = draft_seal(connection, now, CHUNK)
        if draft is None:
            return
        try:
            with writing(self._engine) as connection:
                seal = add_seal(connection, draft)
        except PuyunError:
            return  # another process was quicker
        log.info("sealed", extra={"seal": seal.id, "hash": seal.hash.hex()})

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await asyncio.to_thread(self.once)
            except SQLAlchemyError as error:
                log.warning("sealing_failed", extra={"why": str(error.__cause__ or error)})
