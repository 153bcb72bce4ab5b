"""One measure of one column: load against it while its CPU time and memory are watched."""

import time
from dataclasses import dataclass
from pathlib import Path

from bench.native import Mock, Report, Shape, generate_load
from bench.proc import core_busy_ns, cpu_ns, rss_bytes
from bench.scenarios import Row

NS = 1_000_000_000
Sample = dict[str, float]


@dataclass(frozen=True)
class Cores:
    """The proxy under test has one core to itself; load generator, mock and this program share the other."""

    proxy: int
    load: int


@dataclass(frozen=True)
class Target:
    """Where the calls go. `pid` None: straight to the mock."""

    pid: int | None
    port: int
    request: Path
    mock: Mock
    cores: Cores


class FailedCallsError(RuntimeError):
    """Some calls did not come back whole; figures of a run with errors mean nothing."""


def checked(row: Row, report: Report) -> Report:
    if report.errors or not report.calls:
        raise FailedCallsError(f"{row.name}: {report.calls} calls completed, errors {report.errors}")
    if report.events != report.calls * row.events:
        raise FailedCallsError(f"{row.name}: {report.events} events in {report.calls} streams of {row.events}")
    return report


def measure(row: Row, shape: Shape, target: Target) -> tuple[Sample, Report]:
    """CPU in µs per unit of the row, times in µs, memory in bytes, shares of a core between 0 and 1."""
    peak = 0

    def watch() -> None:
        nonlocal peak
        peak = max(peak, rss_bytes(target.pid) if target.pid else 0)

    cores = target.cores
    began = time.monotonic_ns()
    before = [
        cpu_ns(target.pid) if target.pid else 0,
        cpu_ns(target.mock.pid),
        core_busy_ns(cores.proxy),
        core_busy_ns(cores.load),
    ]
    # Watching costs the load's core; where a moment's memory is not asked for, the memory after the run will do.
    report = checked(
        row, generate_load(target.request, shape, port=target.port, core=cores.load, watch=watch if row.once else None)
    )
    after = [
        cpu_ns(target.pid) if target.pid else 0,
        cpu_ns(target.mock.pid),
        core_busy_ns(cores.proxy),
        core_busy_ns(cores.load),
    ]
    window = time.monotonic_ns() - began
    proxy, mock, proxy_core, load_core = (end - start for start, end in zip(before, after, strict=True))
    watch()
    load = report.cpu_seconds * NS
    units = report.events if row.unit == "event" else report.calls
    sample: Sample = {
        "per_second": report.calls / report.seconds,
        "events_per_second": report.events / report.seconds,
        "p50_us": report.latency_us.p50,
        "p99_us": report.latency_us.p99,
        "max_us": report.latency_us.max,
        "first_byte_p50_us": report.first_byte_us.p50,
        "first_byte_p99_us": report.first_byte_us.p99,
        "lag_p99_us": report.lag_us.p99,
        "in_flight": report.peak_in_flight,
        "load_share": load / window,
        "mock_share": mock / window,
        "others_load_core": max(0.0, load_core - load - mock) / window,
        "others_proxy_core": max(0.0, proxy_core - proxy) / window,
    }
    if target.pid:
        sample |= {"cpu_us": proxy / 1000 / units, "proxy_share": proxy / window, "rss_bytes": peak}
    return sample, report
