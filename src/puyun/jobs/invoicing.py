"""Invoices of the month before, for organizations with a credit limit, where the operator asked for them (`seller.monthly`)."""

import asyncio
import logging

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from puyun.kit.clock import Clock
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.pricing.papers.parties import Seller
from puyun.pricing.statement import months_before
from puyun.storage.engine import reading
from puyun.storage.papers.monthly import invoice_month, owing

SECONDS = 3600.0
AT_A_TIME = 500

log = logging.getLogger("puyun.invoicing")


class Invoicing:
    """Of several processes each may do it: a month has one invoice."""

    def __init__(self, engine: Engine, clock: Clock, seller: Seller) -> None:
        self._engine = engine
        self._clock = clock
        self._seller = seller

    def once(self) -> int:
        """How many invoices were issued. Raises DBAPIError."""
        now = self._clock.now()
        [month] = months_before(now, 1)
        with reading(self._engine) as connection:
            orgs = owing(connection, month, AT_A_TIME)
        issued = 0
        for org in orgs:
            try:
                issued += invoice_month(self._engine, org, month, self._seller, now) is not None
            except PuyunError as error:
                fields = {"organization": format_id("org", org), "month": month.name, "error": error.message}
                log.warning("month_not_invoiced", extra=fields)
        return issued

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(SECONDS)
            try:
                issued = await asyncio.to_thread(self.once)
            except DBAPIError as error:
                log.warning("months_not_invoiced", extra={"error": str(error.orig)})
            else:
                if issued:
                    log.info("months_invoiced", extra={"count": issued})
