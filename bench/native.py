"""Builds and runs the two C programs of native/: the mock upstream and the load generator."""

import os
import select
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
BUILD = HERE / "build"


class Percentiles(msgspec.Struct, frozen=True):
    """Microseconds."""

    mean: float
    p50: int
    p90: int
    p99: int
    max: int


class Report(msgspec.Struct, frozen=True):
    """What the load generator saw. `calls` came back whole; `errors` counts the others by status or by fault."""

    started: int
    calls: int
    seconds: float
    events: int
    bytes: int
    cpu_seconds: float
    peak_in_flight: int
    connections_opened: int
    errors: dict[str, int]
    latency_us: Percentiles
    first_byte_us: Percentiles
    lag_us: Percentiles  # open loop: how late the generator itself was


@dataclass(frozen=True)
class Shape:
    """How calls arrive: `connections` at once, or `rate` a second on as many connections as it takes, at most these."""

    connections: int
    seconds: float
    calls: int | None = None
    rate: float | None = None
    stream: bool = False


def build(directory: Path = BUILD) -> None:
    """Compiles what is older than its sources. Raises CalledProcessError with the compiler's words on the terminal."""
    directory.mkdir(parents=True, exist_ok=True)
    newest = max(source.stat().st_mtime for source in (HERE / "native").iterdir())
    for name in ("mock", "load"):
        program = directory / name
        if not program.exists() or program.stat().st_mtime < newest:
            fresh = directory / f"{name}-{os.getpid()}"
            command = ["cc", "-O2", "-Wall", "-Wextra", "-o", fresh, HERE / "native" / f"{name}.c"]
            subprocess.run(command, check=True)
            fresh.replace(program)  # at once: another run may be using the old one


@dataclass(frozen=True)
class Mock:
    pid: int
    port: int


@contextmanager
def mock_upstream(behaviours: Sequence[str], *, core: int, directory: Path = BUILD) -> Generator[Mock]:
    """`behaviours` as native/mock.c takes them: NAME=EVENTS:PER_WRITE:INTERVAL_US."""
    command = ["taskset", "-c", str(core), directory / "mock", *behaviours]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 10)
            line = process.stdout.readline() if ready else ""
            if not line:
                raise RuntimeError("the mock upstream did not start")
            yield Mock(process.pid, int(line))
        finally:
            process.terminate()


def generate_load(
    request: Path,
    shape: Shape,
    *,
    port: int,
    core: int,
    directory: Path = BUILD,
    watch: Callable[[], None] | None = None,
) -> Report:
    """Sends the request in the file as `shape` says; calls `watch` a few times a second meanwhile."""
    command = ["taskset", "-c", str(core), str(directory / "load"), "--port", str(port), "--request", str(request)]
    command += ["--connections", str(shape.connections), "--seconds", str(shape.seconds)]
    command += ["--calls", str(shape.calls)] if shape.calls else []
    command += ["--rate", str(shape.rate)] if shape.rate else []
    command += ["--stream"] if shape.stream else []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            while watch and process.poll() is None:
                watch()
                time.sleep(0.2)
            output, _ = process.communicate(timeout=shape.seconds + 60)
        finally:
            process.kill()
    if process.returncode != 0:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    return msgspec.json.decode(output, type=Report)
