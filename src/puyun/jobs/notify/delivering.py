"""Delivering to webhooks: what is due is taken, tried, and written down. A slow one holds up nobody else.

At least once: a process that dies between a try and its record leaves the delivery to the next one, with the same id.
"""

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from puyun.jobs.notify.sending import Sender
from puyun.kit.clock import MINUTE, Clock, Instant
from puyun.kit.errors import PuyunError
from puyun.notices.retry import PARTS
from puyun.storage.engine import reading, writing
from puyun.storage.webhooks.deliveries import Outcome, Taken, any_due, prune, record, take_due
from puyun.system import crash
from puyun.system.vault import Vault

SECONDS = 1.0
BREATH_SECONDS = 0.05
AT_A_TIME = 64
"""Deliveries on their way."""

PER_ORG = 4
"""Of one organization."""

PRUNE_EVERY = 10 * MINUTE
PRUNED_AT_A_TIME = 500
PRUNES_MAX = 20

log = logging.getLogger("puyun.delivering")


def _dice() -> int:
    return secrets.randbelow(PARTS)


class Delivering:
    """Of several processes each may do it: a delivery is taken under the write lock, for a while."""

    def __init__(
        self, engine: Engine, clock: Clock, vault: Vault, sender: Sender, *, dice: Callable[[], int] = _dice
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._vault = vault
        self._sender = sender
        self._dice = dice
        self._busy: Counter[int] = Counter()
        self._pruned_at = Instant(0)

    async def run(self) -> None:
        """Runs until cancelled, and what is on its way then is tried again by the next process."""
        async with asyncio.TaskGroup() as group:
            while True:
                taken = await self._round()
                for each in taken:
                    group.create_task(self._try(each))
                await asyncio.sleep(BREATH_SECONDS if taken else SECONDS)

    async def once(self) -> int:
        """Try what is due, and wait for it; returns how many were tried."""
        taken = await self._round()
        await asyncio.gather(*(self._try(each) for each in taken))
        return len(taken)

    async def _round(self) -> list[Taken]:
        try:
            await asyncio.to_thread(self._prune)
            room = AT_A_TIME - self._busy.total()
            taken = await asyncio.to_thread(self._take, room, dict(self._busy)) if room > 0 else []
        except DBAPIError as error:
            log.warning("deliveries_not_read", extra={"error": str(error.orig)})
            return []
        except PuyunError as error:
            log.warning("deliveries_not_opened", extra={"error": error.message})
            return []
        self._busy.update(each.org for each in taken)
        return taken

    async def _try(self, taken: Taken) -> None:
        try:
            outcome = await self._outcome(taken)
            crash.reached("webhook-sent")
            await asyncio.to_thread(self._record, taken, outcome)
        except DBAPIError as error:
            log.warning("delivery_not_recorded", extra={"delivery": taken.message, "error": str(error.orig)})
        finally:
            self._busy[taken.org] -= 1
            if not self._busy[taken.org]:
                del self._busy[taken.org]

    async def _outcome(self, taken: Taken) -> Outcome:
        try:
            return await self._sender.send(taken)
        except Exception:
            log.exception("delivery_broken", extra={"delivery": taken.message})
            return Outcome(took_ms=0, error="Something went wrong on our side.")

    def _take(self, room: int, busy: dict[int, int]) -> list[Taken]:
        now = self._clock.now()
        with reading(self._engine) as connection:
            if not any_due(connection, now):
                return []
        with writing(self._engine) as connection:
            return take_due(connection, self._vault, now, most=room, per_org=PER_ORG, busy=busy)

    def _record(self, taken: Taken, outcome: Outcome) -> None:
        with writing(self._engine) as connection:
            record(connection, taken, outcome, dice=self._dice(), now=self._clock.now())

    def _prune(self) -> None:
        """In bounded steps, so that nobody waits long for the lock."""
        now = self._clock.now()
        if now - self._pruned_at < PRUNE_EVERY:
            return
        self._pruned_at = now
        for _ in range(PRUNES_MAX):
            with writing(self._engine) as connection:
                if prune(connection, now, PRUNED_AT_A_TIME) < PRUNED_AT_A_TIME:
                    return
