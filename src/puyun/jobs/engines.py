"""Asking engines of ours how they are, so that their lanes have as many seats as they bear."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Protocol

from puyun.arbiter.interface import Arbiter
from puyun.egress.connect import ConnectFailedError
from puyun.egress.target import Target
from puyun.gateway.upstream import Pool, UpstreamClosedError, UpstreamLostError, UpstreamTimeoutError
from puyun.providers.engine import condition_of, conditions_of
from puyun.scheduler.lane import Facts

EVERY_SECONDS = 1.0

PATIENCE_SECONDS = 0.8
"""From the connection to the last byte of the answer."""

ANSWER_MAX = 1024 * 1024

AT_ONCE = 16
"""Engines that are asked at the same time."""

SILENT_AFTER = 2
"""Questions in a row without an answer, until the log says so. What the engine told last is stale soon after."""

ROUNDS_MAX = 8
"""A silent engine is asked in every second round, every fourth, every eighth: looking up its name may take longer than
our patience, and goes on behind our back."""

log = logging.getLogger("puyun.engines")


class UnansweredError(Exception):
    """The engine was reached, and did not say what was asked."""


class Places(Protocol):
    """Where deployments are, as the data plane knows it."""

    @property
    def targets(self) -> Mapping[int, Target]: ...


class Engines:
    """In one process of each machine. The deployments of a provider share one question, asked the way calls go."""

    def __init__(self, pool: Pool, places: Places, arbiter: Arbiter) -> None:
        self._pool = pool
        self._places = places
        self._arbiter = arbiter
        self._misses: dict[str, int] = {}
        """Questions in a row without an answer, by provider."""
        self._round = 0

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.gather(asyncio.sleep(EVERY_SECONDS), self.once())

    async def once(self) -> None:
        """Ask every engine that is due; returns once each has answered or spent our patience."""
        lanes: defaultdict[str, list[Target]] = defaultdict(list)
        for target in self._places.targets.values():
            provider = target.candidate.provider
            if provider.engine is not None:
                lanes[provider.name].append(target)
        self._misses = {name: self._misses.get(name, 0) for name in lanes}
        self._round += 1
        free = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._look(name, theirs, free) for name, theirs in lanes.items() if self._due(name)))

    def _due(self, provider: str) -> bool:
        return self._round % min(2 ** min(self._misses[provider], ROUNDS_MAX), ROUNDS_MAX) == 0

    async def _look(self, provider: str, lanes: list[Target], free: asyncio.Semaphore) -> None:
        try:
            async with free, asyncio.timeout(PATIENCE_SECONDS):
                text = await self._ask(lanes[0])
            self._tell(text, lanes)
        except (
            ConnectFailedError,
            TimeoutError,
            UnansweredError,
            UpstreamClosedError,
            UpstreamLostError,
            UpstreamTimeoutError,
        ) as error:
            self._misses[provider] += 1
            if self._misses[provider] == SILENT_AFTER:
                why = str(error) or f"no answer within {PATIENCE_SECONDS} s"
                log.warning("engine_silent", extra={"provider": provider, "why": why})
            return
        if self._misses[provider] >= SILENT_AFTER:
            log.warning("engine_answers", extra={"provider": provider})
        self._misses[provider] = 0

    async def _ask(self, target: Target) -> str:
        """The metrics, which stand beside the API and not below its version. Raises what `_look` catches."""
        connection = await self._pool.open(target)
        try:
            path = target.path.removesuffix("/v1") + "/metrics"
            request = b"GET %b HTTP/1.1\r\n%b\r\n" % (path.encode(), target.head)
            connection.send(request, first_byte=PATIENCE_SECONDS, idle=PATIENCE_SECONDS)
            status = await connection.response()
            if status != 200:
                raise UnansweredError(f"status {status} for {path}; are its metrics switched on?")
            return (await connection.read_all(ANSWER_MAX)).decode("utf-8", "replace")
        finally:
            self._pool.release(target, connection)

    def _tell(self, text: str, lanes: list[Target]) -> None:
        """Raises UnansweredError where it says nothing of any lane."""
        heard = False
        engine = lanes[0].candidate.provider.engine
        told = conditions_of(engine, text) if engine is not None else {}
        for lane in lanes:
            condition = condition_of(lane.candidate.deployment.upstream_model, told)
            if condition is not None:
                heard = True
                facts = Facts(waiting=condition.waiting, kv=condition.kv, capacity=condition.capacity)
                self._arbiter.observe(lane.id, facts)
        if not heard:
            raise UnansweredError(f"no metric of {engine} in its answer")
