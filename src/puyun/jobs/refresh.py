"""Noticing what others changed: catalogue, prices, keys and limits reach data plane and arbiter within a second."""

import asyncio
import logging
import threading

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from puyun.arbiter.interface import Arbiter
from puyun.egress.target import Secretless, Target, target_of
from puyun.gateway.serving import DataPlane
from puyun.jobs.configuring import configuration
from puyun.kit.clock import Clock
from puyun.storage.engine import reading
from puyun.storage.limits.rules import load_rules
from puyun.storage.snapshots import Snapshot, load_keys, load_snapshot, revisions
from puyun.system import crash

EVERY_SECONDS = 0.25

UNCONFIRMED_SECONDS = 30.0
"""A process that could not read the database for this long takes no more calls: prices and keys may have changed."""

log = logging.getLogger("puyun.refresh")


class Refresh:
    """Reads the revisions often, everything else when they moved."""

    def __init__(
        self, engine: Engine, plane: DataPlane, arbiter: Arbiter, clock: Clock, loop: asyncio.AbstractEventLoop
    ) -> None:
        """`loop` is the one that the arbiter is on."""
        self._engine = engine
        self._plane = plane
        self._arbiter = arbiter
        self._clock = clock
        self._loop = loop
        self._limits: int = -1
        self._catalog: int = -1
        self._identity: int = -1
        self._confirmed_at = 0.0
        self._placing = threading.Lock()
        self._overrides: dict[str, Target | None] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._confirmed_at = loop.time()
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await asyncio.to_thread(self.once)
                self._confirmed_at = loop.time()
                self._plane.admits = True
            except SQLAlchemyError as error:
                log.warning("refresh_failed", extra={"why": str(error.__cause__ or error)})
                if loop.time() - self._confirmed_at > UNCONFIRMED_SECONDS:
                    self._plane.admits = False

    def once(self) -> None:
        """Read what changed. Whole objects are put in place of others, so the data plane never sees half a change.

        Raises SQLAlchemyError.
        """
        with reading(self._engine) as connection:
            now = revisions(connection)
            snapshot = load_snapshot(connection, now["catalog"]) if now["catalog"] != self._catalog else None
            changed = load_keys(connection, self._identity) if now["identity"] != self._identity else None
            ruled = snapshot is not None or now["limits"] != self._limits
            rules = load_rules(connection, self._clock.now()) if ruled else None
        if snapshot is not None or changed:
            crash.reached("refresh-read")
        if changed:
            self._plane.keys = self._plane.keys | changed
        self._identity = now["identity"]
        if snapshot is not None:
            self.place(snapshot)
            self._catalog = now["catalog"]
        if rules is not None:
            wanted = configuration(self._plane.snapshot, rules, now["catalog"] + now["limits"])
            self._limits = now["limits"]
            self._loop.call_soon_threadsafe(self._arbiter.configure, wanted)

    def place(self, snapshot: Snapshot) -> None:
        """Route by this snapshot from now on."""
        with self._placing:
            self._place(snapshot)

    def _place(self, snapshot: Snapshot) -> None:
        self._plane.dispatcher.targets = self._targets(snapshot)
        self._plane.snapshot = snapshot

    def override(self, provider: str, target: Target | None) -> None:
        """Where a provider is that only this process knows: the embedded model. None: nowhere at the moment."""
        with self._placing:  # or the thread that reads the catalogue could be overtaken, and its news undone
            self._overrides[provider] = target
            self._place(self._plane.snapshot)

    def _targets(self, snapshot: Snapshot) -> dict[int, Target]:
        targets: dict[int, Target] = {}
        for candidate in {c.id: c for sold in snapshot.sold.values() for c in sold.candidates}.values():
            provider = candidate.provider.name
            try:
                if provider not in self._overrides:
                    targets[candidate.id] = target_of(candidate)
                elif (place := self._overrides[provider]) is not None:
                    targets[candidate.id] = place.at(candidate)
            except Secretless as error:
                log.warning("provider_without_secret", extra={"provider": provider, "why": str(error)})
        return targets
