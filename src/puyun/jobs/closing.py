"""Closing the months that are over: the hash of each organization's statement is kept, so that a later change is found."""

import asyncio
import logging

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from puyun.kit.clock import Clock
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.pricing.statement import Month, months_before
from puyun.storage.engine import reading
from puyun.storage.reports.statements import close_month, unclosed

SECONDS = 600.0
MONTHS = 13
"""How far back it looks: whoever was off for longer closes what is older with `puyun statement`."""

AT_A_TIME = 500
"""Organizations of one month in one look."""

log = logging.getLogger("puyun.closing")


class Closing:
    """Of several processes each may do it; the first hash counts."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def once(self) -> int:
        """How many months of organizations were closed. Raises DBAPIError."""
        return sum(self._close(month) for month in months_before(self._clock.now(), MONTHS))

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(SECONDS)
            try:
                closed = await asyncio.to_thread(self.once)
            except DBAPIError as error:
                log.warning("months_not_closed", extra={"error": str(error.orig)})
            else:
                if closed:
                    log.info("months_closed", extra={"count": closed})

    def _close(self, month: Month) -> int:
        with reading(self._engine) as connection:
            orgs = unclosed(connection, month, AT_A_TIME)
        return sum(self._closed(org, month) for org in orgs)

    def _closed(self, org: int, month: Month) -> bool:
        try:
            close_month(self._engine, org, month, self._clock.now())
        except PuyunError as error:
            if error.code != "month_not_over":
                fields = {"organization": format_id("org", org), "month": month.name, "error": error.message}
                log.warning("month_not_closed", extra=fields)
            return False
        return True
