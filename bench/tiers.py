"""`python -m bench.tiers`: does Enterprise notice a flood of Test? Through real sockets, with and without it in one run.

One model at 20 seats, 8 of them apart for Enterprise, 200 ms a call. Enterprise and a calm Flex organization call at
random moments all the time, at two thirds and a sixth of what their seats bear; the flood is Test at ten and a hundred
times all seats, then another Flex organization at ten times. Waits are the server's own, from `Server-Timing`.
"""

import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random  # noqa: TID251 - seeded, so that every run draws the same moments

from rich.console import Console
from rich.table import Table

from bench import fair
from bench.columns.column import ROOT
from bench.columns.puyun import ENVIRONMENT, PROGRAM
from bench.native import build
from bench.process import Process, answers, free_port, wait_ready

SEATS, APART = 20, 8
SECONDS = 15.0
"""Of each phase."""

HOLD = 0.2
BEARS = SEATS / HOLD
"""Calls a second that all seats bear."""

RATES = {"enterprise": 2 / 3 * APART / HOLD, "flex": BEARS / 6}
PHASES = (
    ("nobody else", "", 0.0),
    ("Test at 10 times all seats", "test", 10 * BEARS),
    ("Test at 100 times", "test", 100 * BEARS),
    ("another Flex at 10 times", "flood", 10 * BEARS),
    ("nobody else, again", "", 0.0),
)
CATALOGUE = """
[[providers]]
name = "mock"
dialect = "openai"
base_url = "http://127.0.0.1:{port}/v1"
api_key = "env:BENCH_KEY"

[[deployments]]
name = "shared@mock"
provider = "mock"
upstream_model = "mock-delay-200"
seats = {shared}
own = true

[[deployments]]
name = "apart@mock"
provider = "mock"
upstream_model = "mock-delay-200"
pool = "enterprise"
seats = {apart}
own = true
lend = true

[[models]]
name = "m"
kind = "chat"
context_length = 128000
max_output = 4096
deployments = ["apart@mock", "shared@mock"]
"""
PRICE = '[[prices]]\nmodel = "m"\ntier = "{tier}"\ninput = "2.50"\noutput = "10.00"\n'
BODY = b'{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hello"}]}'


@dataclass
class Seen:
    """Milliseconds in the queue of the calls that were served, and how many were not."""

    waits: list[float] = field(default_factory=list)
    failed: int = 0

    def at(self, part: float) -> float:
        ordered = sorted(self.waits)
        return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else float("nan")


class Stage:
    """A server on one core; the mock upstream and whoever calls on another."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.port, mock_port = folder, free_port(), free_port()
        catalogue = CATALOGUE.format(port=mock_port, shared=SEATS - APART, apart=APART)
        (folder / "catalogue.toml").write_text(catalogue + "".join(PRICE.format(tier=tier) for tier in TIERS))
        self.say("migrate")
        self.say("catalog", "apply", str(folder / "catalogue.toml"))
        self.keys = {name: self._key(name, tier) for name, tier in CALLERS.items()}
        for command, core in (
            ([PROGRAM, "mock-upstream", "--port", str(mock_port)], 1),
            ([PROGRAM, "serve", "--data", self.data, "--port", str(self.port), "--no-demo"], 0),
        ):
            process = Process(command, core=core, log=folder / "log", env=ENVIRONMENT)
            stack.callback(process.stop)
        wait_ready(process, self.port, "/readyz")
        while not answers(self.port, "/v1/models/m", {"Authorization": f"Bearer {self.keys['enterprise']}"}):
            time.sleep(0.05)

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def say(self, *words: str) -> str:
        env = os.environ | ENVIRONMENT
        command = [PROGRAM, *words, "--data", self.data]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout

    def _key(self, name: str, tier: str) -> str:
        self.say("org", "create", name, "--tiers", tier)
        self.say("topup", name, "100000")
        self.say("limits", "set", name, "--rpm", "none", "--itpm", "none", "--otpm", "none", "--in-flight", "none")
        return json.loads(self.say("key", "create", "--org", name, "--tier", tier, "--json"))["key"]

    def request(self, name: str, body: bytes = BODY) -> bytes:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {self.keys[name]}\r\n"
        return head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    @contextmanager
    def flood(self, name: str, rate: float) -> Iterator[None]:
        """As many calls a second as the load generator can get rid of, up to `rate`."""
        if not name:
            yield
            return
        file = self.folder / f"{name}.http"
        file.write_bytes(self.request(name))
        connections = [
            "--connections",
            "400",
            "--rate",
            str(rate),
            "--seconds",
            str(SECONDS),
            "--refusals",
            "--drain",
            "1",
        ]
        load = [
            ROOT / "bench" / "build" / "load",
            "--port",
            str(self.port),
            "--request",
            str(file),
            *connections,
        ]
        process = Process(load, core=1, log=self.folder / f"{name}.log")
        try:
            yield
        finally:
            process.wait()


def offered(log: Path) -> int:
    """Calls that the load generator sent, of its last words."""
    said = json.loads(log.read_text().strip().splitlines()[-1])
    return said["calls"] + sum(said["errors"].values())


CALLERS = {"enterprise": "enterprise", "flex": "flex", "flood": "flex", "test": "test"} | dict.fromkeys(
    fair.WORDS, "flex"
)
TIERS = ("test", "flex", "enterprise")


async def calls(stage: Stage, name: str, seen: Seen, dice: Random) -> None:
    """At random moments, whether earlier calls have ended or not."""
    ends = time.monotonic() + SECONDS
    async with asyncio.TaskGroup() as group:
        while time.monotonic() < ends:
            await asyncio.sleep(dice.expovariate(RATES[name]))
            group.create_task(one(stage, name, seen))


async def one(stage: Stage, name: str, seen: Seen) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    try:
        writer.write(stage.request(name))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        if head.startswith("http/1.1 200"):
            seen.waits.append(float(head.partition("queue;dur=")[2].partition(",")[0]))
        else:
            seen.failed += 1
    finally:
        writer.close()


async def phase(stage: Stage, flood: str, rate: float, dice: Random) -> dict[str, Seen]:
    found = {name: Seen() for name in RATES}
    with stage.flood(flood, rate):
        await asyncio.gather(*(calls(stage, name, found[name], dice) for name in RATES))
    return found


def fairness(stage: Stage) -> list[Decimal]:
    """What each of them was served, in money."""
    fair.crowd(
        stage.folder, stage.port, {name: stage.request(name, fair.body(n)) for name, n in fair.WORDS.items()}, SECONDS
    )
    return [Decimal(json.loads(stage.say("usage", name, "--json"))["total"]["charge"]) for name in fair.WORDS]


def main() -> None:
    build()
    os.sched_setaffinity(0, {1})
    table = Table(
        "beside", "tier", "served", "refused", "wait p50, ms", "p99, ms", "longest, ms", title="waits in the queue"
    )
    with tempfile.TemporaryDirectory(prefix="puyun-tiers-") as folder, ExitStack() as stack:
        stage, dice = Stage(Path(folder), stack), Random(7)
        for name, flood, rate in PHASES:
            found = asyncio.run(phase(stage, flood, rate, dice))
            asked = offered(stage.folder / f"{flood}.log") / SECONDS if flood else 0.0
            for tier, seen in found.items():
                figures = (f"{seen.at(0.5):.1f}", f"{seen.at(0.99):.1f}", f"{max(seen.waits, default=0):.1f}")
                beside = f"{name} ({asked:,.0f}/s came)" if flood else name
                table.add_row(beside, tier, str(len(seen.waits)), str(seen.failed), *figures)
        shares = fairness(stage)
        flooded = json.loads(stage.say("usage", "test", "--json"))["total"]["calls"]
        audit = stage.say("audit").strip()
    Console(width=120).print(table)
    told = ", ".join(f"{words} words {share}" for words, share in zip(fair.WORDS.values(), shares, strict=True))
    print(
        f"four Flex organizations with calls waiting all the time were served for: {told}; Jain {fair.jain(shares):.4f}"
    )
    print(f"Test was served {flooded:,} calls meanwhile; audit: {audit}")


if __name__ == "__main__":
    main()
