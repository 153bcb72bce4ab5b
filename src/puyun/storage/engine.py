"""Opening the database: where it is, how a connection is set up, and the control plane's transactions."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, update
from sqlalchemy.pool import ConnectionPoolEntry

from puyun.storage import schema

BUSY_SECONDS = 10
"""How long a connection waits for another writer before it reports the database as busy."""

PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}",
)


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


def open_engine(path: Path) -> Engine:
    """The control plane's engine. Every transaction that `writing` begins takes the write lock at once."""
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction] - called by SQLAlchemy
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(pragma)

    return engine


@contextmanager
def writing(engine: Engine) -> Generator[Connection]:
    """One control-plane act = one transaction, under the write lock from its first statement; services never commit."""
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


@contextmanager
def reading(engine: Engine) -> Generator[Connection]:
    """One consistent view of the database."""
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        try:
            yield connection
        finally:
            connection.exec_driver_sql("ROLLBACK")


def bump(connection: Connection, name: str) -> int:
    """Count a change of `catalog` or `identity`, so that running servers notice; returns the new revision."""
    table = schema.revision
    statement = update(table).where(table.c.name == name).values(value=table.c.value + 1).returning(table.c.value)
    return connection.execute(statement).scalar_one()
