"""One organization on a data directory of its own, and processes that may be killed on it at will."""

import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import psycopg

from puyun.catalog.model import Tier
from puyun.cli.app import run as puyun
from puyun.identity.keys import mint
from puyun.identity.model import KeySpec
from puyun.kit.clock import Instant
from puyun.storage.engine import Database, open_engine, sqlite_path, writing
from puyun.storage.identity import create_key, create_organization
from puyun.storage.wallets import MoneyKind, top_up
from puyun.system.crash import VARIABLE
from puyun.system.entropy import key_entropy, organization_id
from stage.catalogue import small_catalogue
from stage.child import Child
from stage.limits import unlimited
from stage.upstream import SECRET, MockUpstream

KILLED = -9
"""The exit code of a child that was."""

START = 1_000_000_000_000
"""What the organization has at the beginning, in nano-units: 1000.00."""

MODELS = (
    "mock-tokens-50",
    "mock-tokens-1500",
    "mock-chunk-delay-20-tokens-50",
    "mock-delay-300",
    "mock-gate",
    "mock-die-midstream",
    "mock-flood-64-tokens-1000",
)

_ENV = {
    "PUYUN_UPSTREAM__ALLOW_PRIVATE": "true",
    "PUYUN_UPSTREAM__FIRST_BYTE_TIMEOUT": "20",
    "MOCK_KEY": SECRET,
}


class Site:
    """Made once with `found`, then copied for each test, which is cheaper.

    With the URL of an empty PostgreSQL database it lives there, and cannot be copied.
    """

    def __init__(self, folder: Path, mock: MockUpstream, org: int, key: str, *, name: str, url: str = "") -> None:
        self.folder = folder
        self.data = folder / "data"
        self._url = url
        self.mock = mock
        self.org = org
        self.key = key
        self.name = name
        self.user = f"{name}-{time.time_ns()}"
        """Of every call to the mock upstream, so that its journal can be asked for them alone."""
        self.children: list[Child] = []

    @classmethod
    def found(cls, folder: Path, mock: MockUpstream, url: str = "") -> "Site":
        """A new database with a catalogue of MODELS, the organization `acme`, and a key of it."""
        site = cls(folder, mock, organization_id(), mint(key_entropy()), name="found", url=url)
        site.data.mkdir(parents=True)
        site.run("migrate")
        file = folder / "catalogue.toml"
        file.write_text(small_catalogue(mock.base_url, MODELS))
        site.run("catalog", "apply", str(file))
        now = Instant(time.time_ns() // 1000)
        engine = open_engine(site.database)
        unlimited(engine)
        with writing(engine) as connection:
            made = create_organization(connection, "acme", org=site.org, tiers=tuple(Tier), currency="USD", now=now)
            create_key(connection, made, KeySpec(tier=Tier.FLEX), site.key, now)
            top_up(connection, site.org, START, kind=MoneyKind.PAID, ref="start", now=now)
        engine.dispose()
        return site

    def copy(self, folder: Path, name: str) -> "Site":
        shutil.copytree(self.data, folder / "data")
        return Site(folder, self.mock, self.org, self.key, name=name)

    # --- processes -----------------------------------------------------------------------------------------------
    def run(self, *arguments: str) -> str:
        """What a command prints that must succeed; in this process, which is quicker."""
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = puyun([*arguments, *self._place()])
        assert code == 0, f"puyun {' '.join(arguments)}: {code}\n{said.getvalue()}"
        return said.getvalue()

    def die(self, crash: str, *arguments: str) -> None:
        """A command that is killed at the place `crash`."""
        command = [sys.executable, "-m", "puyun", *arguments, *self._place()]
        done = subprocess.run(command, env=self._env(crash), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == KILLED, f"{done.returncode}\n{done.stdout}{done.stderr}"

    def command(self, *arguments: str) -> Child:
        """One that runs by itself."""
        child = Child("command", ["-m", "puyun", *arguments, *self._place()], folder=self.folder, env=self._env(""))
        self.children.append(child)
        return child

    def launch(self, crash: str = "", *, runner: tuple[str, ...] = ("-m", "puyun"), **settings: str) -> Child:
        """A server that starts."""
        arguments = [*runner, "serve", *self._place(), "--port", "0", "--no-demo"]
        child = Child(f"server-{len(self.children)}", arguments, folder=self.folder, env=self._env(crash) | settings)
        self.children.append(child)
        return child

    def serve(
        self, crash: str = "", *, runner: tuple[str, ...] = ("-m", "puyun"), **settings: str
    ) -> tuple[Child, int]:
        """One that has started, and the port that it took: chosen beforehand it may be gone by then."""
        child = self.launch(crash, runner=runner, **settings)
        found = re.search(r"http://[0-9.]+:([0-9]+)$", child.wait_for("is ready on"))
        assert found, child.log()
        return child, int(found[1])

    def stop(self) -> str:
        """Kill what runs; what all of them said, none of it a traceback."""
        for child in self.children:
            if child.alive:
                child.kill()
        log = "".join(child.log() for child in self.children)
        assert "Traceback" not in log, log[-20_000:]
        return log

    @property
    def database(self) -> Database:
        return self._url or sqlite_path(self.data)

    def _place(self) -> list[str]:
        """Options that say where everything is: a command that runs in this process sees its environment alone."""
        if not self._url:
            return ["--data", str(self.data)]
        file = self.folder / "puyun.toml"
        file.write_text(f"[database]\nurl = {json.dumps(self._url)}\n")
        return ["--data", str(self.data), "--config", str(file)]

    def _env(self, crash: str) -> dict[str, str]:
        return os.environ | _ENV | {"PUYUN_DATA": str(self.data), VARIABLE: crash}

    # --- what the database says, read beside all of the product's own code ----------------------------------------
    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with closing(self._connect()) as connection:
            marked = query.replace("?", "%s") if isinstance(connection, psycopg.Connection) else query
            rows = connection.execute(marked, values)  # pyright: ignore[reportArgumentType] - no text of a stranger's
            names = [column[0] for column in rows.description or ()]
            return [dict(zip(names, row, strict=True)) for row in rows]

    def _connect(self) -> sqlite3.Connection | psycopg.Connection:
        if isinstance(self.database, str):
            return psycopg.connect(self.database, autocommit=True)
        return sqlite3.connect(f"file:{sqlite_path(self.data)}?mode=ro", uri=True, timeout=20)

    def wallet(self) -> dict[str, Any]:
        [row] = self.rows("SELECT * FROM wallet WHERE org = ?", self.org)
        return row
