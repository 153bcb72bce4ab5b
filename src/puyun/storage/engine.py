"""Opening the database: where it is, how a connection is set up, and the control plane's transactions.

One writer at a time on both engines: SQLite has one write lock, and on PostgreSQL `writing` takes an advisory lock. So
what an act looked at stays so until it ends. The ledger's hot path takes no part in that on PostgreSQL: who changes a
wallet or a budget there locks its row (`with_for_update`).
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import Loader
from sqlalchemy import Connection, Engine, Table, create_engine, event, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from puyun.storage import schema
from puyun.system import crash

Database = Path | str
"""A SQLite file, or the URL of a PostgreSQL database."""

BUSY_SECONDS = 10
"""How long a connection waits for another writer before it reports the database as busy."""

TURN_SECONDS = 5
"""How long a writer waits for its turn before it tries without."""

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
)

LOCKS = 0x70757975
"""The first half of every advisory lock of ours ("puyu"), so that others in the same database keep theirs."""

WRITER = -1
"""The second half of the control plane's; those that are not negative are the slots of processes."""

_KEEPALIVE: dict[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "application_name": "puyun",
}
"""A machine that is gone is noticed on both ends within half a minute."""

ANSWER_SECONDS = 6
"""How long a server may take for an answer on the hot path; longer than it may take for a statement there."""

Answer = TypeVar("Answer")

_BEGIN = {
    ("sqlite", "write"): "BEGIN IMMEDIATE",
    ("sqlite", "read"): "BEGIN",
    ("postgresql", "write"): "BEGIN",
    ("postgresql", "read"): "BEGIN ISOLATION LEVEL REPEATABLE READ",
}


class _Whole(Loader):
    """What PostgreSQL makes of a sum of integers is a decimal; every number of ours is whole."""

    def load(self, data: Buffer) -> int:
        return int(bytes(data))


class Turn:
    """A place in the queue for a SQLite file's write lock, by a file lock beside it.

    SQLite lets those who wait look again at ever longer intervals, so that of several busy writers one may wait a
    second; here the kernel wakes them. It is courtesy alone: what decides is SQLite's own lock. So who waits in vain
    for TURN_SECONDS, because a process was stopped in its turn, goes on without. One thread uses it at a time.
    """

    def __init__(self, database: Path) -> None:
        self._descriptor = os.open(f"{database}-turn", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._state = threading.Condition()
        self._waiting = False
        self._wanted = False
        self._mine = False

    def take(self) -> None:
        with self._state:
            if not self._waiting:
                try:
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._waiting = True
                    threading.Thread(target=self._wait, name="turn", daemon=True).start()
                else:
                    self._mine = True
                    return
            self._wanted = True
            self._state.wait_for(lambda: not self._waiting, TURN_SECONDS)
            self._wanted = False

    def give(self) -> None:
        with self._state:
            if self._mine:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
                self._mine = False

    def close(self) -> None:
        """Gives the turn up too."""
        with self._state:
            if not self._waiting:
                os.close(self._descriptor)

    def _wait(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._state:
            self._waiting = False
            self._mine = self._wanted
            if not self._wanted:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self._state.notify_all()


def sqlite_path(data: Path) -> Path:
    """Where the default database lies in a data directory."""
    return data / "puyun.db"


def connect_sqlite(path: Path, *, cached_statements: int = 128) -> sqlite3.Connection:
    """A driver connection for the ledger's hot path; transactions are begun by hand."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=cached_statements, timeout=BUSY_SECONDS
    )
    for pragma in PRAGMAS:
        connection.execute(pragma)
    return connection


class Impatient(psycopg.Connection[Any]):
    """A connection that is lost once its server has said nothing for ANSWER_SECONDS: a process that was stopped, a
    network that swallows. The kernel would notice the latter in minutes, and the former never.
    """

    def wait(self, gen: PQGen[Answer], interval: float = 0.1, timeout: float | None = None) -> Answer:
        """As of psycopg's connection, with an end. Raises psycopg.OperationalError; then it is closed."""
        try:
            return super().wait(gen, interval, ANSWER_SECONDS if timeout is None else timeout)
        except psycopg.errors._WaitTimeout:  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what `wait` is documented to raise
            self.close()
            text = f"the server has not answered for {ANSWER_SECONDS} seconds"
            raise psycopg.OperationalError(text) from None


def connect_postgres(
    url: str, kind: type[psycopg.Connection[Any]] = psycopg.Connection, **settings: str
) -> psycopg.Connection[Any]:
    """A driver connection; transactions are begun by hand. `settings` are the server's, for this session."""
    connection = kind.connect(url, autocommit=True, **_KEEPALIVE)
    connection.adapters.register_loader("numeric", _Whole)
    if settings:
        connection.execute("; ".join(f"SET {name} = '{value}'" for name, value in settings.items()).encode())
    return connection


def open_engine(database: Database) -> Engine:
    """The control plane's engine; use `writing` and `reading`. The password of a URL is shown by nothing."""
    return _open_sqlite(database) if isinstance(database, Path) else _open_postgres(database)


def _open_sqlite(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction] - called by SQLAlchemy
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(pragma)
        entry.info["turn"] = Turn(path)

    @event.listens_for(engine, "close")
    def closed(_connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction] - called by SQLAlchemy
        entry.info["turn"].close()

    return engine


def _open_postgres(url: str) -> Engine:
    def connect() -> psycopg.Connection:
        return connect_postgres(url, lock_timeout=f"{BUSY_SECONDS}s", idle_in_transaction_session_timeout="60s")

    return create_engine("postgresql+psycopg://", creator=connect, isolation_level="AUTOCOMMIT", pool_pre_ping=True)


@contextmanager
def writing(engine: Engine) -> Generator[Connection]:
    """One control-plane act = one transaction, under the write lock from its first statement; services never commit."""
    with engine.connect() as connection:
        turn: Turn | None = connection.info.get("turn")
        if turn is not None:
            turn.take()
        try:
            with _transaction(connection, "write"):
                lock(connection)
                yield connection
                crash.reached("act-written")
            crash.reached("act-committed")
        finally:
            if turn is not None:
                turn.give()


@contextmanager
def reading(engine: Engine) -> Generator[Connection]:
    """One consistent view of the database; what is written in it is undone."""
    with engine.connect() as connection, _transaction(connection, "read"):
        yield connection


@contextmanager
def _transaction(connection: Connection, kind: str) -> Generator[None]:
    connection.exec_driver_sql(_BEGIN[connection.dialect.name, kind])
    try:
        yield
    except BaseException:
        with suppress(SQLAlchemyError):  # a lost connection has rolled back
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT" if kind == "write" else "ROLLBACK")


def lock(connection: Connection) -> None:
    """Become the one writer of the control plane until the transaction ends. SQLite's `BEGIN IMMEDIATE` did it."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCKS}, {WRITER})")


def bump(connection: Connection, name: str) -> int:
    """Count a change of `catalog` or `identity`, so that running servers notice; returns the new revision."""
    table = schema.revision
    statement = update(table).where(table.c.name == name).values(value=table.c.value + 1).returning(table.c.value)
    return connection.execute(statement).scalar_one()


def upsert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows `on_conflict_do_update`, in the words of the connection's database."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
