"""A PostgreSQL server for tests and measurements: in a folder of its own, on a Unix socket, gone when they are."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg

_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    "max_wal_size": "256MB",
    "log_min_messages": "fatal",
    "deadlock_timeout": "100ms",
}

_HASTY = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "32MB"}
"""For tests: a machine that dies takes them along."""

_DURABLE = {"shared_buffers": "128MB"}

PATIENCE = 30
"""Seconds that a server has to start or to stop."""


class Postgres:
    """`with Postgres() as server`. As root it runs as the user `postgres`, since it refuses to be root."""

    def __init__(self, *, durable: bool = False) -> None:
        settings = _OPTIONS | (_DURABLE if durable else _HASTY)
        self._options = [f"-c{name}={value}" for name, value in settings.items()]

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(self._folder, self._user, self._user)
        self._count = 0
        initdb = ["initdb", "-D", "data", "-U", "postgres", "--auth=trust", "--locale=C.UTF-8", "--no-sync"]
        self._start(initdb).wait(PATIENCE)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def create(self, name: str, template: str = "template1") -> str:
        """The URL of a new database, a copy of another one."""
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    @contextmanager
    def copy(self, template: str = "migrated") -> Iterator[str]:
        """The URL of a database for one test. Of `loose`, names need not refer to rows that exist."""
        self._count += 1
        name = f"copy_{self._count}"
        yield self.create(name, template)
        with self._connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def stop(self, how: str = "INT") -> None:
        """`INT`: connections are cut. `QUIT`: as if the machine had died."""
        if self._server.poll() is None:
            subprocess.run(["kill", f"-{how}", str(self._server.pid)], check=True)
            self._server.wait(PATIENCE)

    def start(self) -> None:
        """Again after `stop`, on the same socket."""
        self._server = self._start(["postgres", "-D", "data", "-k", str(self._folder), *self._options])
        deadline = time.monotonic() + PATIENCE
        while not self._ready():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.02)

    def _start(self, command: list[str]) -> subprocess.Popen[bytes]:
        program = shutil.which(command[0], path=_programs())
        assert program, f"{command[0]} is missing; `make setup` and `scripts/setup dev` install it"
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [program, *command[1:]],
                cwd=self._folder,
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _ready(self) -> bool:
        assert self._server.poll() is None, (self._folder / "log").read_text()
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url("postgres"), autocommit=True)


def _programs() -> str:
    """Debian keeps them out of the way."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return os.pathsep.join([*(str(folder) for folder in found), os.environ["PATH"]])
