"""A site of pages on a real socket, over a temporary database."""

import asyncio
import socket
import threading
import time
from contextlib import contextmanager

import uvicorn

from puyun.config import Brand
from puyun.kit.clock import Instant
from puyun.portal.app import PageDeps, create_pages
from puyun.pricing.pricebook import PriceBook, PriceRow
from puyun.storage.engine import open_engine
from puyun.storage.migrate import upgrade
from puyun.system.clock import SystemClock

DEADLINE = 15.0


def price_row(number, model, tier, meter, amount, *, start=0):
    return PriceRow(
        id=number, model=model, tier=tier, meter=meter, amount=amount, effective_from=Instant(start), created_at=Instant(0)
    )


class Prices:
    """The snapshot of the data plane, as far as pages look at it."""

    def __init__(self, models, rows):
        self.models = list(models)
        self.rows = list(rows)
        self.revision = 1
        self.book = PriceBook(self.rows)

    def set(self, model, tier, meter, amount, *, start=0):
        number = max((row.id for row in self.rows), default=0) + 1
        self.rows.append(price_row(number, model, tier, meter, amount, start=start))
        self.book = PriceBook(self.rows)
        self.revision += 1


class World:
    def __init__(self, folder, prices, *, brand=None):
        self.prices = prices
        self.clock = SystemClock()
        self.engine = open_engine(folder / "puyun.db")
        upgrade(self.engine)
        self.stopping = False
        deps = PageDeps(
            engine=self.engine,
            clock=self.clock,
            brand=brand or Brand(),
            prices=lambda: self.prices,
            stopping=lambda: self.stopping,
        )
        self.app = create_pages(deps)

    @contextmanager
    def serving(self):
        """Its address, while it serves in a thread of its own."""
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(self.app, log_level="warning", lifespan="off", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            wait_for(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            self.stopping = True
            server.should_exit = True
            thread.join(DEADLINE)
            listener.close()
            self.engine.dispose()
            assert not thread.is_alive(), "the server did not stop"


def wait_for(condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.02)
