"""What a figure was measured on: nobody can judge one without it."""

import os
import platform
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from bench.columns.column import ROOT, descriptors
from bench.measure import Cores
from bench.proc import core_busy_ns

CALM = 0.1  # a core in use for less than this is quiet enough
GLANCE = 0.3  # seconds


def cores() -> Cores:
    """The first and the last core this program may use; on a machine with one, everything shares it.

    To be asked before this program takes its own place.
    """
    mine = sorted(os.sched_getaffinity(0))
    return Cores(proxy=mine[0], load=mine[-1])


@dataclass
class Patience:
    """Waits for other people's work on the two cores to end, but not for ever: `left` seconds in the whole run."""

    left: float

    def wait(self, place: Cores) -> None:
        while self.left > 0 and busiest(place) > CALM:
            self.left -= GLANCE


def busiest(place: Cores) -> float:
    """Share of the busier of the two cores that is in use, looked at for a moment."""
    before = core_busy_ns(place.proxy), core_busy_ns(place.load)
    time.sleep(GLANCE)
    return max(core_busy_ns(place.proxy) - before[0], core_busy_ns(place.load) - before[1]) / (GLANCE * 1e9)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    """Short name of the commit; `+` when tracked files differ from it; `none` outside a repository."""
    done = subprocess.run(
        ["git", "describe", "--always", "--exclude=*", "--dirty=+"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "none"


def describe() -> dict[str, str | int | float]:
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "descriptors": descriptors(),
        "load_average": os.getloadavg()[0],
    }
