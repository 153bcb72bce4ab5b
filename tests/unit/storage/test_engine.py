from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from puyun.storage.engine import PRAGMAS, bump, connect_sqlite, open_engine, reading, sqlite_path, writing
from puyun.storage.snapshots import revisions


def settings_of(execute) -> dict[str, object]:
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    return {name: execute(f"PRAGMA {name}").fetchone()[0] for name in names}


EXPECTED = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_both_kinds_of_connection_are_set_up_alike(engine: Engine, database: Path) -> None:
    """synchronous=FULL: a settle that was told is on the disk."""
    driver = connect_sqlite(database)
    assert settings_of(driver.execute) == EXPECTED
    driver.close()
    with engine.connect() as connection:
        assert settings_of(connection.exec_driver_sql) == EXPECTED
    assert len(PRAGMAS) == 5


def test_an_act_that_fails_leaves_nothing(engine: Engine) -> None:
    def act() -> None:
        with writing(engine) as connection:
            bump(connection, "catalog")
            raise KeyError("in the middle")

    with pytest.raises(KeyError):
        act()
    with reading(engine) as connection:
        assert revisions(connection) == {"catalog": 0, "identity": 0}


def test_a_bump_is_seen_by_the_next_reader(engine: Engine) -> None:
    with writing(engine) as connection:
        assert [bump(connection, "catalog"), bump(connection, "catalog")] == [1, 2]
    with reading(engine) as connection:
        assert revisions(connection) == {"catalog": 2, "identity": 0}


def test_a_reader_keeps_its_view_while_others_write(engine: Engine) -> None:
    with reading(engine) as connection:
        assert revisions(connection)["catalog"] == 0
        with writing(engine) as other:
            bump(other, "catalog")
        assert revisions(connection)["catalog"] == 0


def test_what_a_reader_writes_is_undone(engine: Engine) -> None:
    with reading(engine) as connection:
        bump(connection, "catalog")
    with reading(engine) as connection:
        assert revisions(connection)["catalog"] == 0


def test_a_writer_has_the_lock_from_its_first_statement(engine: Engine, database: Path) -> None:
    other = open_engine(database)
    with writing(engine), other.connect() as connection:
        connection.execute(text("PRAGMA busy_timeout = 1"))
        with pytest.raises(OperationalError, match="locked"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    other.dispose()


def test_where_the_database_lies(tmp_path: Path) -> None:
    assert sqlite_path(tmp_path) == tmp_path / "puyun.db"
