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


def failures(row: Row, report: Report) -> list[str]:
    """What did not come back whole. Figures of a measure with failures mean nothing."""
    if report.errors or not report.calls:
        return [f"{row.name}: {report.calls} calls completed, errors {report.errors}"]
    if report.events != report.calls * row.events:
        return [f"{row.name}: {report.events} events in {report.calls} streams of {row.events}"]
    return []


def readings(target: Target) -> tuple[int, int, int, int]:
    """CPU time so far, in ns: the proxy, the mock, the proxy's core, the load's core."""
    proxy = cpu_ns(target.pid) if target.pid else 0
    return proxy, cpu_ns(target.mock.pid), core_busy_ns(target.cores.proxy), core_busy_ns(target.cores.load)


def measure(row: Row, shape: Shape, target: Target) -> tuple[Sample, Report]:
    """CPU in µs per unit of the row, times in µs, memory in bytes, shares of a core between 0 and 1."""
    peak = 0

    def watch() -> None:
        nonlocal peak
        peak = max(peak, rss_bytes(target.pid) if target.pid else 0)

    began = time.monotonic_ns()
    before = readings(target)
    # Watching costs the load's core; where a moment's memory is not asked for, the memory after the run will do.
    report = generate_load(
        target.request, shape, port=target.port, core=target.cores.load, watch=watch if row.once else None
    )
    after = readings(target)
    window = time.monotonic_ns() - began
    proxy, mock, proxy_core, load_core = (end - start for start, end in zip(before, after, strict=True))
    watch()
    load = report.cpu_seconds * NS
    units = max(1, report.events if row.unit == "event" else report.calls)
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
