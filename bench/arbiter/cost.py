"""What a decision costs: here, over the socket, and how long one takes at a fixed rate. One is acquire, begin and end."""

import asyncio
import mmap
import os
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import uvloop

from bench.arbiter.crew import Crew, cpu_seconds, pids
from bench.arbiter.hammer import FREE
from puyun.arbiter.decider import Decider
from puyun.arbiter.local import Local
from puyun.arbiter.message import Configuration
from puyun.arbiter.remote.client import Client
from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.limits.limits import Limits
from puyun.limits.policy import Policy
from puyun.scheduler.attempt import OK, Spent
from puyun.scheduler.lane import LaneSpec
from puyun.scheduler.scheduler import Scheduler
from puyun.system.clock import SteadyClock

SPENT = Spent(100, 0, 0, 50)
PLENTY = Configuration(1, (LaneSpec(id=1, seats=100_000),), (), {1: "m"})
"""Seats enough, and the limits that every installation has; a thousand organizations, so that none reaches them."""

UNLIMITED = Configuration(1, PLENTY.lanes, FREE, {1: "m"})
ORGS = 1000


def ask(ticket: int) -> Claim:
    org = ticket % ORGS + 1
    return Claim(ticket, org, org, Tier.ENTERPRISE, 1, (1,), 100, 50, True, 10_000_000)


def here(decisions: int, configuration: Configuration = PLENTY) -> float:
    """Seconds of CPU for a decision of a process that is alone."""

    async def run() -> float:
        local = Local(Decider(Scheduler(), Limits(Policy())), SteadyClock(), asyncio.get_running_loop())
        local.configure(configuration)
        asks = [ask(ticket) for ticket in range(1, decisions + 1)]
        began = time.process_time()
        for each in asks:
            lease = local.acquire(each)
            lease.lane or await lease.seat()
            await lease.begin()
            lease.end(SPENT, OK)
        return (time.process_time() - began) / decisions

    return uvloop.run(run())


@dataclass(frozen=True)
class Over:
    """Over the socket. CPU in seconds for a decision; `rate`: decisions a second; waits in seconds, in order."""

    workers: int
    decisions: int
    rate: float
    worker_cpu: float
    arbiter_cpu: float
    waits: Sequence[float] = ()


class _Board:
    """What the workers say in the end: decisions, nanoseconds of CPU, and some waits."""

    WAITS = 4096
    ROW = 24 + 8 * WAITS

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.memory = mmap.mmap(-1, self.ROW * workers)

    def say(self, worker: int, decisions: int, cpu: int, waits: Sequence[float]) -> None:
        some = waits[:: max(1, len(waits) // self.WAITS)][: self.WAITS]
        row = struct.pack(f"QQQ{len(some)}d", decisions, cpu, len(some), *some)
        start = (worker - 1) * self.ROW
        self.memory[start : start + len(row)] = row

    def read(self) -> list[tuple[int, int, tuple[float, ...]]]:
        rows: list[tuple[int, int, tuple[float, ...]]] = []
        for worker in range(self.workers):
            decisions, cpu, waits = struct.unpack_from("QQQ", self.memory, worker * self.ROW)
            rows.append((decisions, cpu, struct.unpack_from(f"{waits}d", self.memory, worker * self.ROW + 24)))
        return rows


class Socket:
    """`pace`: decisions a second of all workers together, evenly; None: as many as they can, `callers` at once each."""

    def __init__(self, workers: int, seconds: float, *, pace: float | None = None, callers: int = 32) -> None:
        self._seconds = seconds
        self._pace = pace
        self._callers = callers
        self._board = _Board(workers)
        self._arbiter = mmap.mmap(-1, 8)

    def run(self) -> Over:
        Crew(PLENTY if self._pace else UNLIMITED, self._board.workers, self._work, self._watch).run()
        rows = self._board.read()
        decisions = sum(row[0] for row in rows)
        cpu = sum(row[1] for row in rows) / 1e9 / decisions
        [arbiter] = struct.unpack("d", self._arbiter[:])
        waits = sorted(wait for row in rows for wait in row[2])
        return Over(self._board.workers, decisions, decisions / self._seconds, cpu, arbiter / decisions, waits)

    def _watch(self, parent: int) -> None:
        while len(found := pids(parent)) < self._board.workers + 2:
            time.sleep(0.05)
        before = cpu_seconds(found["arbiter"])
        while any(not row[0] for row in self._board.read()):
            time.sleep(0.1)
        self._arbiter[:] = struct.pack("d", cpu_seconds(found["arbiter"]) - before)

    async def _work(self, client: Client, worker: int, _stop: asyncio.Event) -> None:
        tickets = count(worker << 40 | (os.getpid() & 0xFFFF) << 20)
        waits: list[float] = []
        if self._pace is None:
            end = time.monotonic() + self._seconds
            before = time.process_time_ns()
            async with asyncio.TaskGroup() as group:
                for _ in range(self._callers):
                    group.create_task(_hurry(client, tickets, end, waits))
        else:
            before = time.process_time_ns()
            await _stroll(client, tickets, self._pace / self._board.workers, self._seconds, waits)
        self._board.say(worker, len(waits), time.process_time_ns() - before, waits)


async def _one(client: Client, ticket: int, waits: list[float]) -> None:
    began = time.perf_counter()
    lease = client.acquire(ask(ticket))
    lease.lane or await lease.seat()
    waits.append(time.perf_counter() - began)
    await lease.begin()
    lease.end(SPENT, OK)


async def _hurry(client: Client, tickets: "count[int]", end: float, waits: list[float]) -> None:
    while time.monotonic() < end:
        await _one(client, next(tickets), waits)


async def _stroll(client: Client, tickets: "count[int]", rate: float, seconds: float, waits: list[float]) -> None:
    began = time.monotonic()
    calls = int(rate * seconds)
    async with asyncio.TaskGroup() as group:
        for number in range(calls):
            late = began + number / rate - time.monotonic()
            if late > 0:
                await asyncio.sleep(late)
            group.create_task(_one(client, next(tickets), waits))


def quantile(waits: Sequence[float], per_mille: int) -> float:
    """Of waits in order."""
    return waits[min(len(waits) - 1, len(waits) * per_mille // 1000)]
