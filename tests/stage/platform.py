"""A whole platform in a folder: database, catalogue, mock upstream and a served process."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg
from openai import OpenAI
from sqlalchemy import Engine

from puyun.catalog.model import Tier
from puyun.identity.keys import mint
from puyun.identity.model import KeySpec, Membership, Organization, Role
from puyun.kit.clock import Instant
from puyun.kit.money import parse_amount
from puyun.storage.engine import Database, open_engine, reading, sqlite_path, writing
from puyun.storage.identity import create_key, create_organization, create_user, set_membership
from puyun.storage.wallets import MoneyKind, WalletRow, load_wallet, top_up
from puyun.system.entropy import key_entropy, organization_id
from puyun.system.passwords import hash_password
from stage.catalogue import catalogue
from stage.child import Child
from stage.dialogue import Dialogue
from stage.limits import unlimited
from stage.pages import PASSWORD
from stage.upstream import SECRET, MockUpstream
from stage.waiting import until

SETTINGS = {
    "PUYUN_UPSTREAM__ALLOW_PRIVATE": "true",
    "PUYUN_UPSTREAM__FIRST_BYTE_TIMEOUT": "5",
    "PUYUN_UPSTREAM__IDLE_TIMEOUT": "5",
    "PUYUN_SERVER__QUEUED_COMMENT_SECONDS": "2.5",
    "PUYUN_LIMITS__BODY_BYTES": str(1024 * 1024),
    "MOCK_KEY": SECRET,
}
"""Of a test's server: short patience, a small body limit."""

_ACCOUNTS = 220
"""Accounts that exist before the server starts, so that no test waits until a new key is known."""


@dataclass(frozen=True)
class Account:
    """An organization, its number, and a key of it (tier flex, no restrictions)."""

    organization: Organization
    key: str

    @property
    def number(self) -> int:
        return self.organization.id


class Platform:
    """`with Platform(folder) as platform`: runs inside; at the end everything is stopped and audited.

    With the URL of an empty PostgreSQL database it runs on that, else on SQLite.
    """

    engine: Engine
    mock: MockUpstream
    server: Child

    def __init__(self, folder: Path, url: str = "", **settings: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.database: Database = url or sqlite_path(self.data)
        self._env = SETTINGS | {"PUYUN_DATABASE__URL": url} | settings
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        self.data.mkdir()
        self.cli("migrate")
        self.engine = open_engine(self.database)
        try:
            self.mock = MockUpstream(self.folder)
            self._children.append(self.mock.child)
            self.apply(catalogue(self.mock.base_url))
            unlimited(self.engine)
            self._unused = self._open_accounts()
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stop()
        log = "".join(child.log() for child in self._children if child.name == "server")
        print(log[-20_000:])
        if kind is None:
            self._check(log)

    def _stop(self) -> None:
        self.engine.dispose()
        for child in self._children:
            code = child.stop()
            assert code in {0, -9}, f"{child.name} ended with {code}"

    def _check(self, log: str) -> None:
        audit = self.run("audit")
        assert audit.returncode == 0, audit.stdout + audit.stderr
        assert SECRET not in log
        assert "sk-puyun-" not in log
        assert "Traceback" not in log, log[max(0, log.index("Traceback") - 2000) :][:6000]

    # --- processes ---------------------------------------------------------------------------------------------
    def _start(self) -> None:
        self.server, port = self.serve()
        self.address = ("127.0.0.1", port)
        self.base_url = f"http://127.0.0.1:{port}"

    def serve(self) -> tuple[Child, int]:
        """A server on this data directory, and its port; the platform ends it."""
        port = _free_port()
        arguments = ["-m", "puyun", "serve", "--data", str(self.data), "--port", str(port), "--no-demo"]
        server = Child("server", arguments, folder=self.folder, env=self._env)
        self._children.append(server)

        def ready() -> bool:
            assert server.alive, f"the server ended:\n{server.log()}"
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                    return answer.status == 200
            except OSError:
                return False

        until(ready, "the server to be ready")
        return server, port

    def restart_upstream(self) -> None:
        """On the same port, with an empty memory."""
        assert not self.mock.child.alive
        self.mock = MockUpstream(self.folder, self.mock.port)
        self._children.append(self.mock.child)

    def restart(self) -> None:
        """After a test killed or stopped the server."""
        assert not self.server.alive
        self._start()

    # --- command line ------------------------------------------------------------------------------------------
    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | self._env | {"PUYUN_DATA": str(self.data)}
        command = [sys.executable, "-m", "puyun", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)

    def cli(self, *arguments: str) -> str:
        """Standard output of a command that must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"puyun {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def apply(self, text: str) -> None:
        file = self.folder / "catalogue.toml"
        file.write_text(text)
        self.cli("catalog", "apply", str(file))

    # --- accounts ----------------------------------------------------------------------------------------------
    def _open_accounts(self) -> list[Account]:
        now = instant()
        accounts: list[Account] = []
        with writing(self.engine) as connection:
            for number in range(_ACCOUNTS):
                organization = create_organization(
                    connection,
                    f"organization {number}",
                    org=organization_id(),
                    tiers=tuple(Tier),
                    currency="USD",
                    now=now,
                )
                secret = mint(key_entropy())
                create_key(connection, organization, KeySpec(tier=Tier.FLEX), secret, now)
                accounts.append(Account(organization, secret))
        return accounts

    def account(self, balance: str = "10.00") -> Account:
        """A fresh organization with so much paid money."""
        account = self._unused.pop()
        if parse_amount(balance):
            self.top_up(account, parse_amount(balance))
        return account

    def person(self, account: Account, role: Role = Role.OWNER) -> str:
        """The e-mail address of somebody of it who may sign in, with PASSWORD."""
        email = f"{role}-{time.time_ns()}@example.com"
        with writing(self.engine) as connection:
            user = create_user(connection, email, hash_password(PASSWORD), now=instant())
            set_membership(connection, Membership(org=account.number, user=user.id, role=role))
        return email

    def top_up(self, account: Account, nano: int, kind: MoneyKind = MoneyKind.PAID) -> None:
        ref = f"test-{time.time_ns()}"
        with writing(self.engine) as connection:
            top_up(connection, account.number, nano, kind=kind, ref=ref, now=instant())

    def key(self, account: Account, *, now: Instant | None = None, usable: bool = True, **spec: Any) -> str:
        """Another key of the account; returns when the running server knows it."""
        secret = mint(key_entropy())
        wanted = KeySpec(**({"tier": Tier.FLEX} | spec))
        with writing(self.engine) as connection:
            create_key(connection, account.organization, wanted, secret, now or instant())
        if usable:
            until(lambda: self.status("/v1/models", secret) != 401, "a new key to be known")
        return secret

    def wallet(self, account: Account) -> WalletRow:
        """As the database has it."""
        with reading(self.engine) as connection:
            return load_wallet(connection, account.number)

    def settled_wallet(self, account: Account) -> WalletRow:
        """Once nothing is held any more."""
        until(lambda: self.wallet(account).held == 0, "every hold to end")
        return self.wallet(account)

    def records(self, account: Account) -> list[dict[str, Any]]:
        """The usage records of an account, oldest first, read beside all of the product's own code."""
        with closing(self.sql()) as connection:
            rows = connection.execute(f"SELECT * FROM usage_record WHERE org = {account.number} ORDER BY call")
            names = [column[0] for column in rows.description or ()]
            return [dict(zip(names, row, strict=True)) for row in rows]

    def sql(self) -> sqlite3.Connection | psycopg.Connection:
        """A connection that only reads, beside all of the product's own code. Any thread may use it."""
        if isinstance(self.database, str):
            return psycopg.connect(self.database, autocommit=True)
        return sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, check_same_thread=False)

    # --- calling -----------------------------------------------------------------------------------------------
    def client(self, account: Account | str) -> OpenAI:
        key = account if isinstance(account, str) else account.key
        return OpenAI(base_url=self.base_url + "/v1", api_key=key, max_retries=0, timeout=20)

    def dialogue(self, **options: Any) -> Dialogue:
        return Dialogue(self.address, **options)

    def status(self, path: str, key: str) -> int:
        request = urllib.request.Request(self.base_url + path, headers={"Authorization": f"Bearer {key}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def get(self, path: str, key: str | None = None) -> Any:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        with urllib.request.urlopen(
            urllib.request.Request(self.base_url + path, headers=headers), timeout=10
        ) as answer:
            return json.load(answer)

    def receipt(self, account: Account, request_id: str) -> Any:
        return self.get(f"/v1/receipts/{request_id}", account.key)


def instant() -> Instant:
    return Instant(time.time_ns() // 1000)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
