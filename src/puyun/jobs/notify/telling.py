"""Passing events on: of each one, the letters and the deliveries are written in one transaction, once."""

import asyncio
import logging

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from puyun.jobs.notify.letters import Letters
from puyun.kit.clock import Clock, Instant
from puyun.storage.engine import reading, writing
from puyun.storage.identity import load_organization
from puyun.storage.mail.post import post
from puyun.storage.notify.choices import mark_mailed, readers
from puyun.storage.notify.events import Happened, any_untold, told, untold
from puyun.storage.webhooks.deliveries import queue_event

SECONDS = 2.0
BREATH_SECONDS = 0.05
AT_A_TIME = 50
LETTERS_AT_A_TIME = 200
"""A lot ends with the event that reaches it, so that nobody waits long for the lock."""

log = logging.getLogger("puyun.telling")


class Telling:
    """Of several processes each may do it: an event is taken under the write lock. `letters` None: no mail goes out."""

    def __init__(self, engine: Engine, clock: Clock, letters: Letters | None) -> None:
        self._engine = engine
        self._clock = clock
        self._letters = letters

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            try:
                passed = await asyncio.to_thread(self.once)
            except DBAPIError as error:
                passed = 0
                log.warning("events_not_told", extra={"error": str(error.orig)})
            await asyncio.sleep(BREATH_SECONDS if passed else SECONDS)

    def once(self) -> int:
        """One lot; returns how many events were passed on. Raises DBAPIError."""
        with reading(self._engine) as connection:
            if not any_untold(connection):
                return 0
        now = self._clock.now()
        with writing(self._engine) as connection:
            passed = letters = 0
            for event in untold(connection, AT_A_TIME):
                queue_event(connection, event, now)
                letters += self._mail(connection, event, now)
                told(connection, event.id, now)
                passed += 1
                if letters >= LETTERS_AT_A_TIME:
                    break
        return passed

    def _mail(self, connection: Connection, event: Happened, now: Instant) -> int:
        organization = None if self._letters is None else load_organization(connection, event.org)
        if self._letters is None or organization is None:
            return 0
        found = readers(connection, event.org, event.kind, event=event.id, now=now)
        for reader in found:
            post(connection, self._letters.letter(event, organization.name, reader), now)
        mark_mailed(connection, event.id, [reader.user for reader in found], now)
        return len(found)
