"""`python -m bench.workers`: what a second worker brings, with everything on, the arbiter between them included.

On two cores load generator, mock, arbiter and two workers would take from each other what is to be measured. So each worker
gets the same part of a core (`--share`), alone or beside another, and the others find the rest free: what two do in that
is set against what one does. How busy the cores were is printed too. The books must balance.
"""

import argparse
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.columns.column import Command, Site
from bench.columns.puyun import Puyun
from bench.native import Mock, Shape, build, generate_load, mock_upstream
from bench.proc import core_busy_ns, cpu_ns, tree
from bench.process import Process, wait_ready
from bench.quota import limited
from bench.run import new_site, working_directory
from bench.scenarios import Options, Row, load_rows, write_request

CORES = (0, 1)
CONNECTIONS = 128
"""Calls at once for each worker."""


class Workers(Puyun):
    """The server with so many workers."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.name = f"{count} worker" + ("s" if count > 1 else "")

    def command(self, site: Site) -> Command:
        command = super().command(site)
        return Command([*command.argv, "--workers", str(self.count)], command.env)

    def serving(self, root: int) -> list[int]:
        """The processes that take calls: the only one, or those that the parent forked after the arbiter."""
        return [root] if self.count == 1 else tree(root)[2 : 2 + self.count]


@dataclass
class Stand:
    workers: Workers
    site: Site
    request: Path
    root: int
    serving: list[int]
    calls: int = 0


@dataclass(frozen=True)
class Sample:
    """Of one round: calls a second, CPU of a call in the workers and in the arbiter and parent, busy part of the cores."""

    rate: float
    worker_us: float
    other_us: float
    busy: float


@contextmanager
def stand_up(count: int, folder: Path, row: Row, mock: Mock, share: float) -> Generator[Stand]:
    workers = Workers(count)
    site = new_site(folder / str(count), mock, [row.model])
    workers.prepare(site)
    command = workers.command(site)
    process = Process(command.argv, core=",".join(map(str, CORES)), log=site.log, env=command.env)
    with ExitStack() as stack:
        stack.callback(process.stop)
        wait_ready(process, site.port, workers.ready_path)
        headers = workers.open(site)
        request = site.directory / "call.http"
        write_request(row, headers, request)
        serving = workers.serving(process.pid)
        for pid in serving:
            stack.enter_context(limited(pid, share))
        yield Stand(workers, site, request, process.pid, serving)


def measure(stand: Stand, seconds: float) -> Sample:
    def own() -> int:
        return sum(cpu_ns(pid) for pid in stand.serving)

    def cores() -> int:
        return sum(core_busy_ns(core) for core in CORES)

    before, began = (own(), cpu_ns(stand.root), cores()), time.monotonic()
    shape = Shape(CONNECTIONS * stand.workers.count, seconds)
    report = generate_load(stand.request, shape, port=stand.site.port, core=CORES[-1])
    passed = time.monotonic() - began
    mine, all_, busy = (now - then for now, then in zip((own(), cpu_ns(stand.root), cores()), before, strict=True))
    stand.calls += report.calls
    each = max(report.calls, 1) * 1_000
    return Sample(report.calls / seconds, mine / each, (all_ - mine) / each, busy / 1e9 / passed / len(CORES))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.workers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, choices=range(1, 21), metavar="N")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measure")
    parser.add_argument("--share", type=float, default=0.35, help="part of a core for each worker")
    given = parser.parse_args()
    build()
    row = next(load_rows(Options()))
    samples: dict[int, list[Sample]] = {1: [], 2: []}
    with ExitStack() as stack:
        mock = stack.enter_context(mock_upstream([f"{row.model}={row.behaviour}"], core=CORES[-1]))
        folder = stack.enter_context(working_directory())
        stands = [stack.enter_context(stand_up(count, folder, row, mock, given.share)) for count in samples]
        for stand in stands:
            measure(stand, 1.0)  # warm
        for _ in range(given.rounds):
            for stand in stands:
                samples[stand.workers.count].append(measure(stand, given.seconds))
        faults = [fault for stand in stands for fault in stand.workers.faults(stand.site, stand.calls)]
    _show(samples, given.share)
    if faults:
        raise SystemExit("the books are wrong: " + "; ".join(faults))


def _show(samples: dict[int, list[Sample]], share: float) -> None:
    table = Table("", "1 worker", "2 workers", title=f"each worker has {share:.0%} of a core")
    columns: dict[str, Callable[[Sample], float]] = {
        "calls per second": lambda each: each.rate,
        "CPU per call in its worker, µs": lambda each: each.worker_us,
        "CPU per call in arbiter and parent, µs": lambda each: each.other_us,
        "cores busy, %": lambda each: 100 * each.busy,
    }
    for name, take in columns.items():
        table.add_row(name, *(_range([take(each) for each in found]) for found in samples.values()))
    ratios = [two.rate / one.rate for one, two in zip(samples[1], samples[2], strict=True)]
    table.add_row("two against one, round by round", "", f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})")
    Console().print(table)


def _range(values: list[float]) -> str:
    return f"{median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


if __name__ == "__main__":
    main()
