"""What a figure was measured on: nobody can judge one without it."""

import os
import platform
import subprocess
import time
from pathlib import Path

from bench.columns.column import ROOT, descriptors
from bench.measure import Cores


def cores() -> Cores:
    """The first and the last core this program may use; on a machine with one, everything shares it.

    To be asked before this program takes its own place.
    """
    mine = sorted(os.sched_getaffinity(0))
    return Cores(proxy=mine[0], load=mine[-1])


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
