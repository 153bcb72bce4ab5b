"""What the kernel knows about processes: CPU time, memory, descendants; and how busy a core was, by whomever."""

import os
import time
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
_CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the clock of time a process was scheduled, all its threads together


class Stat(NamedTuple):
    """Of /proc/PID/stat: times in ticks, `rss` in pages; `reaped` is the time of children that ended and were waited for."""

    parent: int
    own: int
    reaped: int
    threads: int
    rss: int


def parse_stat(text: str) -> Stat:
    """The name, second field, may hold spaces and brackets: fields are counted from the last bracket (proc(5))."""
    fields = text[text.rindex(")") + 2 :].split()
    user, system, reaped_user, reaped_system = map(int, fields[11:15])
    return Stat(int(fields[1]), user + system, reaped_user + reaped_system, int(fields[17]), int(fields[21]))


def stat(pid: int) -> Stat | None:
    """None: there is no such process, or no more."""
    try:
        return parse_stat((PROC / str(pid) / "stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def tree(root: int) -> list[int]:
    """The process and all its descendants, parents first."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (known := stat(int(entry.name))):
            children.setdefault(known.parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_ns(root: int) -> int:
    """CPU time of a process, its threads and its descendants, alive or waited for.

    The live ones by the process's CPU clock: the same counter as utime + stime, which stat rounds to ticks of 10 ms.
    """
    total = 0
    for pid in tree(root):
        if known := stat(pid):
            total += known.reaped * TICK_NS
            try:
                total += time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)
            except OSError:  # it ended between the two reads
                total += known.own * TICK_NS
    return total


def rss_bytes(root: int) -> int:
    """Resident memory, descendants included; pages they share count once for each."""
    return sum(known.rss * PAGE for pid in tree(root) if (known := stat(pid)))


def parse_core(text: str, core: int) -> int:
    """Of /proc/stat: the ticks a core was not idle. Guest time is within user time (proc(5)) and not added again."""
    line = next(line for line in text.splitlines() if line.startswith(f"cpu{core} "))
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
    return user + nice + system + irq + softirq + steal


def core_busy_ns(core: int) -> int:
    return parse_core((PROC / "stat").read_text(), core) * TICK_NS
