"""The composition root: settings in, running processes out. The only place that knows every part.

One worker is one process. Several are forked by a supervisor from a parent that has prepared the database; the first of
them does what is done once for all, and the embedded model has a process of its own.
"""

import asyncio
import functools
import gc
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_network
from types import FrameType

import msgspec
import uvicorn
import uvloop
from sqlalchemy import Engine

from puyun.admin.app import admin_face
from puyun.api.access import ApiDeps
from puyun.api.app import create_api
from puyun.config import Settings, networks
from puyun.demo import Demonstration, Moved
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
from puyun.kit.errors import Blame, PuyunError
from puyun.kit.ids import CallSequence
from puyun.localmodel.supervisor import Endpoint
from puyun.portal.app import PageDeps, create_pages
from puyun.storage import migrate
from puyun.storage.engine import open_engine
from puyun.storage.ledger.opening import open_store, take_owner
from puyun.storage.ledger.writer import LedgerWriter
from puyun.storage.money.refunds import refund_unrecorded
from puyun.storage.reports.signatures import Signer
from puyun.supervisor import listening
from puyun.supervisor.child import Role
from puyun.supervisor.link import Link
from puyun.supervisor.supervisor import READY, Supervisor
from puyun.system import crash
from puyun.system.clock import SystemClock
from puyun.telemetry import log

IDLE_SECONDS = 75

GC_THRESHOLD = 10_000
"""Allocations between two looks for garbage cycles. A call makes none, so looking 15 times as often finds nothing more."""

MODEL = "model"
"""The child that runs the embedded model; what it says is where that is."""

GRACE = 10.0
"""Seconds a child has to end once there is nothing more to wait for."""


def serve(settings: Settings, *, demo: bool) -> None:
    """Run until a signal says stop. Raises PuyunError for a database, a data directory or an address that cannot be
    used, or when a worker could not start.
    """
    clock = SystemClock()
    log.set_up(clock)
    settings.data.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.database_place)
    migrate.upgrade(engine)
    demonstration = Demonstration(settings, engine, clock, wanted=demo)
    demonstration.prepare()
    if settings.server.workers == 1:
        _run_worker(_Process(settings, engine, clock, demonstration, _Alone(demonstration)))
        return
    engine.dispose()
    _Crew(settings, clock, demonstration).run()


def _run_worker(process: "_Process") -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopping)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(process.run())


def _already_stopping(_number: int, _frame: FrameType | None) -> None:
    """uvicorn raises the signal again once it has stopped; by then there is nothing left to do."""


class _Alone:
    """The place of a process that is all there is: it listens by itself, runs the model, and does every job."""

    sockets: list[socket.socket] | None = None
    first = True

    def __init__(self, demo: Demonstration) -> None:
        self._demo = demo

    def started(self, port: int) -> None:
        self._demo.announce(port)

    async def enter(self, moved: Moved | None) -> None:
        if moved is not None:
            await self._demo.start(moved)

    async def leave(self) -> None:
        await self._demo.stop()


class _OneOfMany:
    """The place of a worker among others: sockets of its own, and the parent at the other end of its link."""

    def __init__(self, link: Link, reserved: Sequence[socket.socket], *, first: bool) -> None:
        self.sockets = listening.open_shared(reserved)
        listening.release(reserved)
        self.first = first
        self._link = link
        self._moved: Moved | None = None

    def started(self, _port: int) -> None:
        self._link.tell(READY)

    async def enter(self, moved: Moved | None) -> None:
        self._moved = moved
        asyncio.get_running_loop().add_reader(self._link, self._hear)

    async def leave(self) -> None:
        asyncio.get_running_loop().remove_reader(self._link)

    def _hear(self) -> None:
        lines = self._link.hear()
        if lines is None:  # the parent is gone, so nobody would start the port anew: stop like it would have said
            asyncio.get_running_loop().remove_reader(self._link)
            os.kill(os.getpid(), signal.SIGTERM)
        for line in lines or ():
            name, _, words = line.partition(" ")
            if name == MODEL and self._moved is not None:
                self._moved(msgspec.json.decode(words, type=Endpoint) if words else None)


class _Crew:
    """Several workers, and what they share."""

    def __init__(self, settings: Settings, clock: SystemClock, demo: Demonstration) -> None:
        """Raises PuyunError `address_unusable`."""
        self._settings = settings
        self._clock = clock
        self._demo = demo
        self._reserved = _reserve(settings)
        self._port: int = self._reserved[0].getsockname()[1]

    def run(self) -> None:
        """Raises PuyunError `start_failed`."""
        grace = self._settings.server.shutdown_seconds + GRACE
        roles = [
            Role(f"worker-{number}", functools.partial(self._work, first=number == 1), grace)
            for number in range(1, self._settings.server.workers + 1)
        ]
        if self._demo.has_model:
            roles.append(Role(MODEL, self._keep_model, GRACE, last=True))
        gc.collect()
        gc.freeze()
        if not Supervisor(roles, lambda: self._demo.announce(self._port)).run():
            text = "A worker ended before all of them were ready. Why is in the log above; then start again."
            raise PuyunError("start_failed", 500, text, blame=Blame.OPERATOR)

    def _work(self, link: Link, *, first: bool) -> None:
        place = _OneOfMany(link, self._reserved, first=first)
        engine = open_engine(self._settings.database_place)
        _run_worker(_Process(self._settings, engine, self._clock, self._demo, place))

    def _keep_model(self, link: Link) -> None:
        listening.release(self._reserved)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._model(link))

    async def _model(self, link: Link) -> None:
        """The embedded model, until it is told to stop or the parent is gone. Calls need not wait for it."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()

        def moved(endpoint: Endpoint | None) -> None:
            link.tell(msgspec.json.encode(endpoint).decode() if endpoint else "")

        def hear() -> None:
            if link.hear() is None:
                loop.remove_reader(link)
                stop.set()

        loop.add_reader(link, hear)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self._demo.start(moved)
        link.tell(READY)
        await stop.wait()
        await self._demo.stop()


def _reserve(settings: Settings) -> list[socket.socket]:
    server = settings.server
    try:
        return listening.reserve(server.host, server.port)
    except OSError as error:
        text = f"{server.host}:{server.port} cannot be listened on: {error.strerror or error}. Set server.host, server.port."
        raise PuyunError("address_unusable", 500, text, blame=Blame.OPERATOR) from error


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

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        clock: SystemClock,
        demo: Demonstration,
        place: _Alone | _OneOfMany,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._demo = demo
        self._place = place
        database = settings.database_place
        self._owner = take_owner(database, settings.data / "owners", clock)
        crash.reached("owner-registered")
        self._store = open_store(database, clock, self._owner.id)
        self._sequence = CallSequence(self._owner.slot)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        give_back = functools.partial(refund_unrecorded, self._engine, self._clock)
        ledger = LedgerWriter(self._store, self._clock, loop, give_back)
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
        await self._place.enter(self._demo.follow(refresh, connector) if self._demo.has_model else None)
        jobs = [
            refresh.run(),
            sweep_connections(lambda: server.server_state.connections, pool, stalls),
            orphans.run(),
        ]
        if self._place.first:
            jobs += [Sealing(self._engine, self._clock).run(), Closing(self._engine, self._clock).run()]
        tasks = [loop.create_task(job) for job in jobs]
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 50, 50)
        try:
            await server.serve(self._place.sockets)
        finally:
            await _cancel(tasks)
            await self._place.leave()
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
        server = _Server(config, self._place.started)
        return server


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
