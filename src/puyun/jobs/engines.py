"""Asking engines of the operator's own how full they are, every second: their lanes shrink before calls queue up there."""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress

from puyun.arbiter.interface import Arbiter
from puyun.catalog.model import Engine
from puyun.egress.connect import ConnectFailedError
from puyun.egress.target import Target
from puyun.gateway.upstream import Pool, UpstreamClosedError, UpstreamLostError, UpstreamTimeoutError
from puyun.providers.engine import METRICS, Strains, capacity_of, capacity_paths, strains_of
from puyun.scheduler.lane import Facts

EVERY_SECONDS = 1.0

PATIENCE_SECONDS = 0.8
"""For what an engine says of itself: less than the pause between two looks."""

AT_ONCE = 32
"""Engines that are asked at the same time."""

ANSWER_MAX = 1024 * 1024

CAPACITY_EVERY = 60
"""Looks between two questions for how many calls it takes at once: a restart may go unnoticed, and change it."""

_LOST = (ConnectFailedError, UpstreamLostError, UpstreamTimeoutError, UpstreamClosedError)

log = logging.getLogger("puyun.engines")


class _SilentError(Exception):
    """It answered, but not with what was asked for. The text is for the operator."""


class _Known:
    """What is remembered of one engine between two looks."""

    __slots__ = ("capacity", "gone", "looks")

    def __init__(self) -> None:
        self.gone = False
        self.looks = 0
        """Since it last came back."""
        self.capacity: int | None = None


class Engines:
    """`targets` gives the deployments of the moment, by number; those of one provider share its answer."""

    def __init__(self, targets: Callable[[], Mapping[int, Target]], arbiter: Arbiter, pool: Pool) -> None:
        self._targets = targets
        self._arbiter = arbiter
        self._pool = pool
        self._known: dict[str, _Known] = {}

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.gather(asyncio.sleep(EVERY_SECONDS), self.once())

    async def once(self) -> None:
        """Ask each engine once, and tell the arbiter what it says. One that does not answer is passed over: its lanes'
        facts grow old.
        """
        found: defaultdict[str, list[Target]] = defaultdict(list)
        for target in self._targets().values():
            if target.candidate.provider.engine is not None:
                found[target.candidate.provider.name].append(target)
        self._known = {name: self._known.get(name) or _Known() for name in found}
        turns = asyncio.Semaphore(AT_ONCE)

        async def look(name: str) -> None:
            async with turns:
                await self._look(name, self._known[name], found[name])

        await asyncio.gather(*map(look, found))

    async def _look(self, name: str, known: _Known, targets: list[Target]) -> None:
        engine = targets[0].candidate.provider.engine
        assert engine is not None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                strains = await self._strains(engine, targets[0])
        except (*_LOST, _SilentError) as error:
            self._missed(name, known, str(error) or "closed the connection")
        except TimeoutError:
            self._missed(name, known, f"no answer within {PATIENCE_SECONDS} s")
        else:
            if known.gone:
                known.gone = False
                log.info("engine_back", extra={"provider": name})
            if known.looks % CAPACITY_EVERY == 0:
                known.capacity = await self._capacity(engine, targets[0]) or known.capacity
            known.looks += 1
            self._tell(strains, known.capacity, targets)

    def _missed(self, name: str, known: _Known, why: str) -> None:
        if not known.gone:
            known.gone = True
            log.warning("engine_gone", extra={"provider": name, "why": why})
        known.looks = 0

    def _tell(self, strains: Strains, capacity: int | None, targets: list[Target]) -> None:
        """Each lane its own model's. Lanes that stand before one queue share what waits there, rounded up."""
        said = {target.id: strains.of(target.candidate.deployment.upstream_model) for target in targets}
        sharers = Counter(whose for whose, _ in said.values())
        for lane, (whose, strain) in said.items():
            waiting = None if strain.waiting is None else -(-strain.waiting // sharers[whose])
            self._arbiter.observe(lane, Facts(capacity=capacity, waiting=waiting, kv=strain.kv))

    # --- asking ------------------------------------------------------------------------------------------------------
    async def _strains(self, engine: Engine, target: Target) -> Strains:
        status, body = await self._get(target, METRICS)
        if status != 200:
            raise _SilentError(f"{METRICS} answers with status {status}; is the engine started with its metrics on?")
        strains = strains_of(engine, body.decode("utf-8", "replace"))
        if strains is None:
            raise _SilentError(f"{METRICS} says nothing that {engine} says of its queue or its cache")
        return strains

    async def _capacity(self, engine: Engine, target: Target) -> int | None:
        """None where it does not say; that is no reason not to believe the rest."""
        with suppress(*_LOST, TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                for path in capacity_paths(engine):
                    status, body = await self._get(target, path)
                    if status == 200:
                        return capacity_of(body)
        return None

    async def _get(self, target: Target, path: str) -> tuple[int, bytes]:
        """Beside the API, whose address ends in its version. Raises as a connection does."""
        place = f"{target.path.removesuffix('/v1')}{path}".encode("latin-1")
        connection = await self._pool.open(target)
        try:
            request = b"GET %b HTTP/1.1\r\n%b\r\n" % (place, target.head)
            connection.send(request, first_byte=PATIENCE_SECONDS, idle=PATIENCE_SECONDS)
            return await connection.response(), await connection.read_all(ANSWER_MAX)
        finally:
            self._pool.release(target, connection)
