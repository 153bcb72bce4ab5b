"""A part of a core for one process, by the kernel's control groups (version 1 or 2), where one may make any."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD = 5_000
"""Microseconds in which a process may use its part: short, so that nobody waits long for a lock that it holds."""


class NoQuotaError(RuntimeError):
    """Control groups cannot be made here."""


@contextmanager
def limited(pid: int, share: float) -> Generator[None]:
    """The process and its threads get at most so much of a core. Raises NoQuotaError."""
    second = (ROOT / "cgroup.controllers").exists()
    group = (ROOT if second else ROOT / "cpu") / f"puyun-bench-{pid}"
    quota = int(share * PERIOD)
    settings = {"cpu.max": f"{quota} {PERIOD}"} if second else {"cpu.cfs_period_us": PERIOD, "cpu.cfs_quota_us": quota}
    try:
        group.mkdir()
        for name, value in settings.items():
            (group / name).write_text(str(value))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise NoQuotaError(f"{group}: {error.strerror}; run as root where control groups can be written") from error
    try:
        yield
    finally:
        (group.parent / "cgroup.procs").write_text(str(pid))
        group.rmdir()
