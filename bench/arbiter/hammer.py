"""Workers that ask for more than there is, while they and the arbiter are killed: was ever too much given?"""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench.arbiter.crew import Crew, pids
from bench.arbiter.oracle import Oracle, Tally
from puyun.arbiter.message import Configuration
from puyun.arbiter.remote.client import Client
from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.kit.errors import PuyunError
from puyun.limits.rule import Metric, Rule, Scope
from puyun.scheduler.attempt import ABANDONED, NOTHING, OK, Signal, SignalKind
from puyun.scheduler.lane import LaneSpec

SEATS = (15, 9, 8)
POOLS = ("shared", "enterprise", "dedicated:one")
LIMITED = 7
"""The organization that has a limit; nobody else has."""

LIMITED_CALLERS = 6
"""Of each worker's callers, those that call for that organization."""

FREE = tuple(Rule(scope=Scope.TIER, tier=tier, metric=metric, amount=None, id=1) for tier in Tier for metric in Metric)
TIERS = (Tier.ENTERPRISE, Tier.FLEX, Tier.TEST, Tier.ENTERPRISE)
LONG = 0.25
"""Seconds that some calls take: longer than an arbiter is away, so that a seat it does not know of would be seen."""

FAILED = Signal(SignalKind.FAILED)


@dataclass(frozen=True)
class Plan:
    """`worker_kill`, `arbiter_kill`: seconds between two; 0: none."""

    decisions: int
    workers: int = 8
    callers: int = 24
    worker_kill: float = 0.6
    arbiter_kill: float = 1.7
    limit: int = 12_000
    """Requests a minute of the organization that has a limit; a second of it may come at once."""

    def most(self, span: float) -> float:
        """Calls of it that may be let in within so many seconds."""
        return self.limit / 60 * (1 + span)


def lanes() -> tuple[LaneSpec, ...]:
    return tuple(
        LaneSpec(id=number, seats=seats, pool=pool, owner=1 if pool.startswith("dedicated") else None)
        for number, (seats, pool) in enumerate(zip(SEATS, POOLS, strict=True), 1)
    )


class Hammer:
    """`run` once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.oracle = Oracle(SEATS, plan.workers)

    def run(self) -> Tally:
        rule = Rule(scope=Scope.ORGANIZATION, org=LIMITED, metric=Metric.RPM, amount=self._plan.limit, burst=1, id=9)
        configuration = Configuration(1, lanes(), (*FREE, rule), {1: "m"})
        Crew(configuration, self._plan.workers, self._work, self._watch).run()
        return self.oracle.tally()

    def _watch(self, parent: int) -> None:
        """Kill now and then, until enough was decided."""
        plan = self._plan
        began = time.monotonic()
        worker_at, arbiter_at = began + plan.worker_kill, began + plan.arbiter_kill
        victims = count()
        while self.oracle.tally().decisions < plan.decisions:
            time.sleep(0.02)
            now = time.monotonic()
            if plan.worker_kill and now >= worker_at:
                worker_at = now + plan.worker_kill
                self._kill(parent, next(victims) % plan.workers + 1)
            if plan.arbiter_kill and now >= arbiter_at:
                arbiter_at = now + plan.arbiter_kill
                self._kill(parent, 0)

    def _kill(self, parent: int, worker: int) -> None:
        """A worker, or (0) the arbiter. A worker is stopped first, so that the oracle forgets it before anybody can notice."""
        pid = pids(parent).get(f"worker-{worker}" if worker else "arbiter")
        if pid is None:
            return
        with suppress(OSError):
            if worker:
                os.kill(pid, signal.SIGSTOP)
                while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"T", "Z"}:
                    time.sleep(0.001)
                self.oracle.forget(worker)
            os.kill(pid, signal.SIGKILL)

    async def _work(self, client: Client, worker: int, stop: asyncio.Event) -> None:
        tickets = count(worker << 40 | (os.getpid() & 0xFFFF) << 20)
        async with asyncio.TaskGroup() as group:
            for caller in range(self._plan.callers):
                group.create_task(self._call(client, worker, tickets, caller, stop))

    async def _call(
        self, client: Client, worker: int, tickets: Iterator[int], caller: int, stop: asyncio.Event
    ) -> None:
        turn = caller
        while not stop.is_set():
            turn += 1
            tier = TIERS[turn % len(TIERS)]
            org = LIMITED if caller < LIMITED_CALLERS else (1, 2, 3, 4)[turn // 3 % 4]
            if org == LIMITED:
                tier = Tier.ENTERPRISE
                self.oracle.asked(worker)
            claim = Claim(next(tickets), org, org, tier, 1, (1, 2, 3), 100, 50, True, 3_000_000)
            lease = client.acquire(claim)
            try:
                lane = lease.lane or await asyncio.wait_for(lease.seat(), 0.002 if turn % 17 == 0 else None)
            except TimeoutError:
                lease.end(NOTHING, ABANDONED)
                continue
            except PuyunError as error:
                self.oracle.refused(worker, away=error.message.startswith("Seats cannot"))
                await asyncio.sleep(0.002)
                continue
            self.oracle.enter(worker, lane)
            self.oracle.granted(worker)
            await asyncio.sleep(LONG if turn % 29 == 0 else 0)
            if turn % 11 == 0:
                self.oracle.leave(worker, lane)
                lease.elsewhere(FAILED if turn % 2 else ABANDONED)
                lease.end(NOTHING, ABANDONED)
                continue
            await lease.begin()
            if org == LIMITED:
                self.oracle.admitted(worker)
            self.oracle.leave(worker, lane)
            lease.end(NOTHING, OK)


def hammer(plan: Plan) -> Tally:
    """One run."""
    return Hammer(plan).run()
