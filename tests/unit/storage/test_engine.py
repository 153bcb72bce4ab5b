import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from stage.waiting import PATIENCE, until

from puyun.storage import engine as module
from puyun.storage.engine import (
    PRAGMAS,
    Database,
    Turn,
    bump,
    connect_sqlite,
    lock,
    open_engine,
    reading,
    sqlite_path,
    writing,
)
from puyun.storage.snapshots import revisions


def settings_of(execute) -> dict[str, object]:
    names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    return {name: execute(f"PRAGMA {name}").fetchone()[0] for name in names}


EXPECTED = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
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
        assert revisions(connection) == {"catalog": 0, "identity": 0, "limits": 0}


def test_a_bump_is_seen_by_the_next_reader(engine: Engine) -> None:
    with writing(engine) as connection:
        assert [bump(connection, "catalog"), bump(connection, "catalog")] == [1, 2]
    with reading(engine) as connection:
        assert revisions(connection) == {"catalog": 2, "identity": 0, "limits": 0}


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


def test_one_act_at_a_time(engine: Engine, database: Database) -> None:
    """What an act has looked at stays so until it ends, on both engines: it has the lock from its first statement."""
    other = open_engine(database)
    impatient = "SET lock_timeout = 1" if isinstance(database, str) else "PRAGMA busy_timeout = 1"
    with other.connect() as connection:
        connection.exec_driver_sql(impatient)
        if isinstance(database, str):
            connection.exec_driver_sql("BEGIN")
        with writing(engine), pytest.raises(OperationalError, match="lock"):
            lock(connection) if isinstance(database, str) else connection.exec_driver_sql("BEGIN IMMEDIATE")
    other.dispose()


class Taking(threading.Thread):
    """Somebody else who wants the turn."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.turn = Turn(path)
        self.start()

    def run(self) -> None:
        self.turn.take()


def test_a_turn_is_given_to_one_after_the_other(tmp_path: Path) -> None:
    turn = Turn(tmp_path / "x")
    turn.take()
    other = Taking(tmp_path / "x")
    other.join(0.05)
    assert other.is_alive()
    turn.give()
    other.join(PATIENCE)
    assert not other.is_alive()
    other.turn.close()
    turn.take()
    turn.close()


def test_who_keeps_its_turn_holds_nobody_up_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was stopped in its turn: the others go on by the database's own lock, and wait again later."""
    monkeypatch.setattr(module, "TURN_SECONDS", 0.01)
    stopped, turn = Turn(tmp_path / "x"), Turn(tmp_path / "x")
    stopped.take()
    for _ in range(2):
        turn.take()
        assert not turn._mine
        turn.give()
    assert sum(thread.name == "turn" for thread in threading.enumerate()) == 1, "one waits, however often it is asked"
    stopped.give()
    until(lambda: not turn._waiting, "the wait to end")
    third = Turn(tmp_path / "x")
    third.take()
    assert third._mine, "who no longer wanted the turn has not kept it"
    for one in (stopped, turn, third):
        one.close()


def test_a_sum_of_whole_numbers_is_one(engine: Engine) -> None:
    with reading(engine) as connection:
        total = connection.exec_driver_sql("SELECT sum(value) FROM revision").scalar_one()
    assert (total, type(total)) == (0, int)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_lost_connection_costs_one_act(engine: Engine) -> None:
    with pytest.raises(OperationalError), writing(engine) as connection:
        connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
    with writing(engine) as connection:
        assert bump(connection, "catalog") == 1


def test_where_the_database_lies(tmp_path: Path) -> None:
    assert sqlite_path(tmp_path) == tmp_path / "puyun.db"
