"""The composition root: settings in, a running process out. The only place that knows every part."""

import asyncio
import functools
import gc
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network
from types import FrameType

import uvicorn
import uvloop
from sqlalchemy import Engine

from puyun.admin.app import admin_face
from puyun.api.access import ApiDeps
from puyun.api.app import create_api
from puyun.config import Settings, networks
from puyun.demo import Demonstration
from puyun.egress.connect import Connector
from puyun.gateway.dispatch import Dispatcher, Seats
from puyun.gateway.front import Front
from puyun.gateway.serving import DataPlane
from puyun.gateway.upstream import Pool
from puyun.jobs.closing import Closing
from puyun.jobs.refresh import Refresh
from puyun.jobs.seal import Sealing
from puyun.jobs.stalls import Stalls
from puyun.jobs.sweep import OrphanSweep, sweep_connections
from puyun.kit.ids import CallSequence
from puyun.portal.app import PageDeps, create_pages
from puyun.storage import migrate
from puyun.storage.engine import open_engine
from puyun.storage.ledger.opening import open_store, take_owner
from puyun.storage.ledger.writer import LedgerWriter
from puyun.storage.reports.signatures import Signer
from puyun.system import crash
from puyun.system.clock import SystemClock
from puyun.telemetry import log

IDLE_SECONDS = 75

GC_THRESHOLD = 10_000
"""Allocations between two looks for garbage cycles. A call makes none, so looking 15 times as often finds nothing more."""


def serve(settings: Settings, *, demo: bool) -> None:
    """Run until a signal says stop. Raises PuyunError for a database or a data directory that cannot be used."""
    clock = SystemClock()
    log.set_up(clock)
    settings.data.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.database_place)
    migrate.upgrade(engine)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopping)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_Process(settings, engine, clock, demo=demo).run())


def _already_stopping(_number: int, _frame: FrameType | None) -> None:
    """uvicorn raises the signal again once it has stopped; by then there is nothing left to do."""


class _Server(uvicorn.Server):
    """uvicorn, with a word when it listens."""

    def __init__(self, config: uvicorn.Config, started: Callable[[int], None]) -> None:
        super().__init__(config)
        self._told = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._told(self.servers[0].sockets[0].getsockname()[1])


class _Process:
    """One gateway process, from its owner row to its last settle."""

    def __init__(self, settings: Settings, engine: Engine, clock: SystemClock, *, demo: bool) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        database = settings.database_place
        self._owner = take_owner(database, settings.data / "owners", clock)
        crash.reached("owner-registered")
        self._store = open_store(database, clock, self._owner.id)
        self._sequence = CallSequence(self._owner.slot)
        self._demo = Demonstration(settings, engine, clock, wanted=demo)
        self._demo.prepare()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        ledger = LedgerWriter(self._store, self._clock, loop)
        ledger.start()
        upstream = self._settings.upstream
        connector = Connector(
            allow_private=upstream.allow_private, timeout=upstream.connect_timeout, proxy=upstream.proxy
        )
        pool = Pool(connector, loop)
        plane = self._plane(ledger, pool)
        orphans = self._orphans()
        refresh = Refresh(self._engine, plane)
        server = self._server(plane)
        stalls = Stalls(self._settings.server.write_stall_seconds)
        refresh.once()
        plane.admits = True
        await self._demo.start(refresh, connector)
        tasks = [
            loop.create_task(job)
            for job in (
                refresh.run(),
                sweep_connections(lambda: server.server_state.connections, pool, stalls),
                orphans.run(),
                Sealing(self._engine, self._clock).run(),
                Closing(self._engine, self._clock).run(),
            )
        ]
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 50, 50)
        try:
            await server.serve()
        finally:
            await _cancel(tasks)
            await self._demo.stop()
            await ledger.stop()
            pool.close()
            self._engine.dispose()
            orphans.close()
            self._owner.release()

    def _orphans(self) -> OrphanSweep:
        """What is left of processes that died is returned before the first call."""

        def renewed() -> None:
            self._store.owner = self._owner.id
            self._sequence.move(self._owner.slot)

        orphans = OrphanSweep(self._owner, open_store(self._settings.database_place, self._clock), renewed)
        orphans.once()
        return orphans

    def _plane(self, ledger: LedgerWriter, pool: Pool) -> DataPlane:
        settings = self._settings
        seats = Seats()
        upstream = settings.upstream
        dispatcher = Dispatcher(seats, pool, first_byte=upstream.first_byte_timeout, idle=upstream.idle_timeout)
        return DataPlane(
            clock=self._clock,
            ledger=ledger,
            pool=pool,
            sequence=self._sequence,
            seats=seats,
            dispatcher=dispatcher,
            body_max=settings.limits.body_bytes,
            proxies=tuple(ip_network(text) for text in networks(settings.server.trusted_proxies)),
        )

    def _server(self, plane: DataPlane) -> "_Server":
        settings = self._settings
        pages = create_pages(
            PageDeps(
                engine=self._engine,
                clock=self._clock,
                brand=settings.brand,
                prices=lambda: plane.snapshot,
                stopping=lambda: server.should_exit,
            ),
            admin_face(lambda: plane.snapshot),
        )
        deps = ApiDeps(
            engine=self._engine,
            clock=self._clock,
            plane=plane,
            currency=settings.brand.currency,
            signer=Signer(self._engine, settings.data, self._clock),
        )
        config = uvicorn.Config(
            create_api(deps, pages),
            host=settings.server.host,
            port=settings.server.port,
            http=functools.partial(Front, plane=plane),  # pyright: ignore[reportArgumentType] - called like the class
            loop="none",
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            log_config=None,
            log_level="warning",
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=int(settings.server.shutdown_seconds),
        )
        server = _Server(config, self._demo.announce)
        return server


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
