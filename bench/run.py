"""A whole run: every column up at once, every row in rounds that visit the columns in turn, the books at the end."""

import contextlib
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.columns import Column, Site
from bench.machine import Patience
from bench.measure import Cores, Sample, Target, failures, measure
from bench.native import BUILD, Mock
from bench.proc import cpu_ns, rss_bytes
from bench.process import Process, free_port, last_words, wait_ready
from bench.scenarios import Options, Row, warm_up, write_request

REST = 1.0  # seconds a proxy rests before its idle memory is read

Samples = dict[str, dict[str, list[Sample]]]  # row, column, rounds
Say = Callable[[str], None]


@dataclass
class Standing:
    """A column that is up, and how many of its calls completed so far."""

    column: Column
    site: Site
    pid: int | None
    headers: dict[str, str]
    calls: int = 0

    def target(self, row: Row, mock: Mock, cores: Cores) -> Target:
        request = self.site.directory / f"{row.name}.http"
        write_request(row, self.headers, request)
        return Target(self.pid, self.site.port, request, mock, cores)


@dataclass
class Outcome:
    samples: Samples = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    bytes_per_call: dict[str, float] = field(default_factory=dict)

    def add(self, row: str, column: str, sample: Sample) -> None:
        self.samples.setdefault(row, {}).setdefault(column, []).append(sample)


@contextlib.contextmanager
def working_directory() -> Generator[Path]:
    """On the disk the project is on, not in memory: what is durable must cost what it costs."""
    directory = BUILD / f"run-{time.time_ns()}"
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def new_site(directory: Path, mock: Mock, models: Sequence[str]) -> Site:
    directory.mkdir()
    return Site(directory, free_port(), mock.port, models)


@contextlib.contextmanager
def standing(column: Column, site: Site, core: int) -> Generator[tuple[Process | None, float]]:
    """Starts a prepared column; gives its process and the seconds from its start until it was ready."""
    command = column.command(site)
    if command is None:
        yield None, 0.0
        return
    began = time.monotonic()
    process = Process(command.argv, core=core, log=site.log, env=command.env)
    try:
        wait_ready(process, site.port, column.ready_path)
        yield process, time.monotonic() - began
    finally:
        process.stop()


@contextlib.contextmanager
def stand_up(column: Column, directory: Path, mock: Mock, rows: Sequence[Row], cores: Cores) -> Generator[Standing]:
    """A column that is ready to sell what the rows ask for."""
    site = new_site(directory / column.name, mock, [row.model for row in rows])
    column.prepare(site)
    with standing(column, site, cores.proxy) as (process, _):
        if process is None:
            yield Standing(column, replace(site, port=mock.port), None, {})
        else:
            yield Standing(column, site, column.measured(process.pid), column.open(site))


def measure_start(column: Column, site: Site, core: int) -> Sample:
    """Start on an empty directory, memory at rest, start again on what the first one left."""
    column.prepare(site)
    with standing(column, site, core) as (process, first):
        assert process is not None
        time.sleep(REST)
        pid = column.measured(process.pid)
        rss, cpu = rss_bytes(pid), cpu_ns(pid)
        time.sleep(REST)
        idle = (cpu_ns(pid) - cpu) / 1e9 / REST
    with standing(column, site, core) as (_, again):
        return {"first_start_s": first, "start_s": again, "rss_bytes": rss, "idle_share": idle}


def run_starts(columns: Sequence[Column], mock: Mock, options: Options, cores: Cores, say: Say) -> Outcome:
    outcome = Outcome()
    with working_directory() as directory:
        for turn in range(options.rounds):
            for column in columns:
                if column.name == "direct" or (column.gentle and turn):
                    continue
                say(f"start {turn + 1}/{options.rounds} {column.name}")
                site = new_site(directory / f"{column.name}-{turn}", mock, [])
                outcome.add("start", column.name, measure_start(column, site, cores.proxy))
    return outcome


def run_rows(
    rows: Sequence[Row], columns: Sequence[Column], mock: Mock, options: Options, cores: Cores, say: Say
) -> Outcome:
    outcome, patience = Outcome(), Patience(options.patience)
    with working_directory() as directory, contextlib.ExitStack() as stack:
        stands = [stack.enter_context(stand_up(column, directory, mock, rows, cores)) for column in columns]
        for row in rows:
            for turn in range(1 if row.once else options.rounds):
                for stand in stands:
                    if stand.column.gentle and turn:
                        continue
                    say(f"{row.name} {turn + 1}/{options.rounds} {stand.column.name}")
                    patience.wait(cores)
                    run_one(row, stand, stand.target(row, mock, cores), outcome, cold=turn == 0)
        for stand in stands:
            say(f"books of {stand.column.name}")
            outcome.faults += [
                f"{stand.column.name}: {fault}" for fault in stand.column.faults(stand.site, stand.calls)
            ]
            if (kept := stand.column.bytes_kept(stand.site)) is not None and stand.calls:
                outcome.bytes_per_call[stand.column.name] = kept / stand.calls
    return outcome


def run_one(row: Row, stand: Standing, target: Target, outcome: Outcome, *, cold: bool) -> None:
    shape = row.gentle if stand.column.gentle else row.full
    if row.once and stand.pid is None:
        return
    for kept, part in ((False, warm_up(shape) if cold else None), (True, shape)):
        if part is None:
            continue
        sample, report = measure(row, part, target)
        stand.calls += report.calls
        if faults := failures(row, report):
            outcome.faults += [
                f"{stand.column.name}: {fault}\n{last_words(stand.site.log)}".strip() for fault in faults
            ]
        elif kept:
            outcome.add(row.name, stand.column.name, sample)
