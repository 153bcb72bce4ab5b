"""One gateway process: everything that serves calls and pages, put together."""

import asyncio
import functools
import gc
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from ipaddress import ip_network
from types import FrameType
from typing import Protocol

import uvicorn
import uvloop
from sqlalchemy import Engine
from starlette.types import ASGIApp
from typing_extensions import override

from puyun.admin.app import admin_face
from puyun.api.access import ApiDeps
from puyun.api.app import create_api
from puyun.arbiter.interface import Arbiter
from puyun.arbiter.local import Local
from puyun.arbiter.remote.client import Client
from puyun.config import Settings, listed
from puyun.control.access import ControlDeps
from puyun.control.app import control_face
from puyun.demo import Demonstration, Moved
from puyun.egress.connect import Connector
from puyun.egress.target import Secretless, read_secret
from puyun.gateway.dispatch import Dispatcher
from puyun.gateway.front import Front
from puyun.gateway.serving import DataPlane
from puyun.gateway.upstream import Pool
from puyun.integrations.oidc.fetching import Fetching, UnreachableError
from puyun.integrations.oidc.issuer import IssuerClient
from puyun.jobs.closing import Closing
from puyun.jobs.engines import Engines
from puyun.jobs.invoicing import Invoicing
from puyun.jobs.mailing import Mailing
from puyun.jobs.notify.balances import Balances
from puyun.jobs.notify.delivering import Delivering
from puyun.jobs.notify.letters import Letters
from puyun.jobs.notify.sending import Sender
from puyun.jobs.notify.telling import Telling
from puyun.jobs.refresh import Refresh
from puyun.jobs.seal import Sealing
from puyun.jobs.stalls import Stalls
from puyun.jobs.sweep import OrphanSweep, sweep_connections
from puyun.jobs.tallies import Tallying
from puyun.kit.clock import Clock
from puyun.kit.ids import CallSequence
from puyun.portal.app import PageDeps, create_pages
from puyun.portal.board import PriceBoard
from puyun.storage.ledger.opening import open_store, take_owner
from puyun.storage.ledger.writer import LedgerWriter
from puyun.storage.money.refunds import refund_unrecorded
from puyun.storage.reports.signatures import Signer
from puyun.storage.webhooks.webhooks import Keeper
from puyun.system import crash
from puyun.system.entropy import webhook_entropy
from puyun.system.vault import Vault
from puyun.wiring.listener import Listener

LOOPBACK = ("127.0.0.1", "::1")
"""A proxy on this machine is believed without being named: nobody else comes from there."""

IDLE_SECONDS = 75

GC_THRESHOLD = 10_000
"""Allocations between two looks for garbage cycles. A call makes none, so looking 15 times as often finds nothing more."""


MEET_SECONDS = 5.0
"""A starting worker waits so long for its arbiter before it serves what it can without."""


class Place(Protocol):
    """Where a gateway process stands: alone, or as one of several workers."""

    first: bool
    """Whether it does what is done once, however many there are."""

    @property
    def sockets(self) -> list[socket.socket]:
        """What it is to listen on: bound, not yet listening."""
        ...

    def arbiter(self) -> Local | Client:
        """Who decides about seats, for the running loop."""
        ...

    async def enter(self, moved: Moved | None) -> None:
        """Before the first call. `moved` is to be told where the embedded model is, if there is one."""
        ...

    def started(self, port: int, /) -> None:
        """It listens."""
        ...

    async def leave(self) -> None:
        """After the last call."""
        ...


def run(process: "Gateway") -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, process.told_to_stop)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(process.run())


class _Server(uvicorn.Server):
    """uvicorn, with a word when it listens, unless it was told to stop before."""

    def __init__(self, config: uvicorn.Config, started: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        super().__init__(config)
        self._told = started
        self._stopped = stopped

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """`sockets` are bound; they listen from now on."""
        await super().startup([])
        if self._stopped():
            self.should_exit = True
        elif sockets:
            self.servers = [Listener(place, self._protocol) for place in sockets]  # pyright: ignore[reportAttributeAccessIssue] - they have what uvicorn asks of a server
            self._told(sockets[0].getsockname()[1])

    def _protocol(self) -> asyncio.Protocol:
        made = self.config.http_protocol_class
        return made(config=self.config, server_state=self.server_state, app_state={})  # pyright: ignore[reportCallIssue] - it is Front's partial


class Gateway:
    """One gateway process, from its owner row to its last settle."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        clock: Clock,
        demo: Demonstration,
        place: Place,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._demo = demo
        self._place = place
        self._stopped = False
        database = settings.database_place
        self._owner = take_owner(database, settings.data / "owners", clock)
        crash.reached("owner-registered")
        self._store = open_store(database, clock, self._owner.id)
        self._sequence = CallSequence(self._owner.slot)

    def told_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        """A signal that comes before uvicorn listens to them, or after: it raises those again that it was stopped by."""
        self._stopped = True

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
        arbiter = self._place.arbiter()
        plane = self._plane(ledger, pool, arbiter)
        orphans = self._orphans()
        refresh = Refresh(self._engine, plane, arbiter, self._clock, loop)
        server = self._server(plane, arbiter)
        stalls = Stalls(self._settings.server.write_stall_seconds)
        refresh.once()
        plane.admits = True
        await self._place.enter(self._demo.follow(refresh, connector) if self._demo.has_model else None)
        jobs = [
            refresh.run(),
            sweep_connections(lambda: server.server_state.connections, pool, stalls),
            orphans.run(),
        ]
        if isinstance(arbiter, Client):
            jobs.append(arbiter.run())
        if self._place.first:
            jobs += [Sealing(self._engine, self._clock).run(), Closing(self._engine, self._clock).run()]
            jobs.append(Tallying(self._engine).run())
            if self._settings.seller.monthly:
                jobs.append(Invoicing(self._engine, self._clock, self._settings.seller).run())
            jobs += self._notifying()
            if self._settings.mail.host:
                jobs.append(Mailing(self._engine, self._clock, self._settings.mail).run())
            jobs.append(Engines(lambda: plane.dispatcher.targets, arbiter, pool).run())
        tasks = [loop.create_task(job) for job in jobs]
        if isinstance(arbiter, Client):
            await arbiter.meet(MEET_SECONDS)
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

    def _notifying(self) -> list[Coroutine[None, None, None]]:
        """What tells organizations of what happened. Without a mail server there are no letters."""
        settings, engine, clock = self._settings, self._engine, self._clock
        letters = Letters(settings.brand, settings.mail) if settings.mail.host else None
        sender = Sender(clock, private=settings.webhooks.allow_private)
        return [
            Balances(engine, clock).run(),
            Telling(engine, clock, letters).run(),
            Delivering(engine, clock, Vault(settings.data), sender).run(),
        ]

    def _orphans(self) -> OrphanSweep:
        """What is left of processes that died is returned before the first call."""

        def renewed() -> None:
            self._store.owner = self._owner.id
            self._sequence.move(self._owner.slot)

        orphans = OrphanSweep(self._owner, open_store(self._settings.database_place, self._clock), renewed)
        orphans.once()
        return orphans

    def _plane(self, ledger: LedgerWriter, pool: Pool, arbiter: Arbiter) -> DataPlane:
        settings = self._settings
        upstream = settings.upstream
        dispatcher = Dispatcher(
            arbiter,
            pool,
            first_byte=upstream.first_byte_timeout,
            idle=upstream.idle_timeout,
            comment=settings.server.queued_comment_seconds,
        )
        return DataPlane(
            clock=self._clock,
            ledger=ledger,
            pool=pool,
            sequence=self._sequence,
            dispatcher=dispatcher,
            body_max=settings.limits.body_bytes,
            proxies=tuple(ip_network(text) for text in listed(settings.server.trusted_proxies)),
        )

    def _issuers(self) -> tuple[IssuerClient, ...]:
        upstream = self._settings.upstream
        fetching = Fetching(allow_private=upstream.allow_private, proxy=upstream.proxy)
        return tuple(
            IssuerClient(issuer, fetching, self._clock, functools.partial(_issuer_secret, issuer.client_secret))
            for issuer in self._settings.oidc
        )

    def _server(self, plane: DataPlane, arbiter: Arbiter) -> "_Server":
        settings = self._settings
        signer = Signer(self._engine, settings.data, self._clock)
        vault = Vault(settings.data)
        control = ControlDeps(
            engine=self._engine,
            clock=self._clock,
            currency=settings.brand.currency,
            offers=PriceBoard(lambda: plane.snapshot, self._clock).current,
            catalogue=lambda: plane.snapshot,
            arbiter=arbiter,
            signer=signer,
            brand=settings.brand,
            seller=settings.seller,
            keeper=Keeper(vault, webhook_entropy, settings.webhooks.allow_private),
        )
        pages = create_pages(
            PageDeps(
                engine=self._engine,
                clock=self._clock,
                brand=settings.brand,
                signup=settings.signup,
                mail=settings.mail,
                issuers=self._issuers(),
                seller=settings.seller,
                webhooks=settings.webhooks,
                prices=lambda: plane.snapshot,
                catalogue=lambda: plane.snapshot,
                arbiter=arbiter,
                signer=signer,
                vault=vault,
                stopping=lambda: server.should_exit,
            ),
            admin_face(lambda: plane.snapshot),
            control_face(control),
        )
        deps = ApiDeps(
            engine=self._engine,
            clock=self._clock,
            plane=plane,
            arbiter=arbiter,
            currency=settings.brand.currency,
            signer=signer,
            stopping=lambda: server.should_exit,
        )
        config = self._listening(create_api(deps, pages), plane)
        server = _Server(config, self._place.started, lambda: self._stopped)
        return server

    def _listening(self, app: ASGIApp, plane: DataPlane) -> uvicorn.Config:
        settings = self._settings
        return uvicorn.Config(
            app,
            http=functools.partial(Front, plane=plane),  # pyright: ignore[reportArgumentType] - called like the class
            loop="none",
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            forwarded_allow_ips=[*LOOPBACK, *listed(settings.server.trusted_proxies)],
            log_config=None,
            log_level="warning",
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=int(settings.server.shutdown_seconds),
        )


def _issuer_secret(reference: str) -> str:
    try:
        return read_secret(reference)
    except (Secretless, OSError) as error:
        raise UnreachableError(str(error)) from error


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
