"""What the bench asks of a proxy: how to set it up, start it, reach it, and whether its books are right."""

import resource
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]


def descriptors() -> int:
    """How many files and sockets a process may have open: bounds the number of streams."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@dataclass(frozen=True)
class Site:
    """Where a proxy lives during a run: a directory of its own, a port to listen on, the mock upstream behind it."""

    directory: Path
    port: int
    mock_port: int
    models: Sequence[str]

    @property
    def log(self) -> Path:
        return self.directory / "output.log"


@dataclass(frozen=True)
class Command:
    argv: Sequence[str | Path]
    env: Mapping[str, str] = field(default_factory=dict[str, str])


class Column:
    """One proxy. `gentle`: too slow for the full load, it gets fewer calls, in one round."""

    name: str
    gentle = False
    ready_path = "/"

    def available(self) -> bool:
        return True

    def version(self) -> str:
        """What was measured, in one line."""
        raise NotImplementedError

    def prepare(self, site: Site) -> None:
        """Writes what the proxy reads at its start."""

    def command(self, site: Site) -> Command | None:
        """None: nothing stands between the load and the mock."""
        raise NotImplementedError

    def open(self, site: Site) -> dict[str, str]:
        """Once it serves: makes what a call needs and returns the headers it carries."""
        del site
        return {}

    def measured(self, pid: int) -> int:
        """The process whose tree is measured, given the one that was started."""
        return pid

    def faults(self, site: Site, calls: int) -> list[str]:
        """What is wrong with the books after `calls` completed calls."""
        del site, calls
        return []

    def bytes_kept(self, site: Site) -> int | None:
        """Size of what was stored for the calls; None: it stores nothing."""
        del site
        return None


class Direct(Column):
    name = "direct"

    def version(self) -> str:
        return "load generator to mock upstream"

    def command(self, site: Site) -> None:
        del site
