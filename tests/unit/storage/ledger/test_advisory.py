"""Connections that are lost while their process lives: it may come back, until it is taken for dead."""

from collections.abc import Iterator

import psycopg
import pytest
from stage.waiting import until
from till import NOON, Till

from bench.postgres import Postgres
from puyun.kit.clock import ManualClock
from puyun.storage.ledger import advisory as module
from puyun.storage.ledger.advisory import PostgresOwner
from puyun.storage.ledger.store import StoreUnavailableError


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    with postgres.copy("loose") as url:
        yield url


@pytest.fixture
def owners(url: str) -> Iterator[tuple[PostgresOwner, PostgresOwner]]:
    both = PostgresOwner(url, ManualClock(NOON)), PostgresOwner(url, ManualClock(NOON))
    yield both
    for owner in both:
        owner.release()


def cut(owner: PostgresOwner) -> None:
    with psycopg.connect(owner._url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (owner._connection.info.backend_pid,))
    with pytest.raises(StoreUnavailableError):
        owner.keep()


def test_a_connection_that_comes_back_in_time_changes_nothing(owners: tuple[PostgresOwner, PostgresOwner]) -> None:
    lost, watcher = owners
    before = lost.id, lost.slot
    cut(lost)
    assert watcher.bury() == 0, "not before it was silent for long enough"
    assert lost.keep() is False
    assert (lost.id, lost.slot) == before
    assert watcher.bury() == 0
    assert watcher._silent == {}


def test_who_is_silent_for_too_long_is_buried_and_registers_anew(
    owners: tuple[PostgresOwner, PostgresOwner], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, watcher = owners
    before = lost.id
    cut(lost)
    assert watcher.bury() == 0
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0)
    assert watcher.bury() == 1
    assert lost.keep() is True
    assert lost.id != before
    assert lost.slot != watcher.slot
    assert lost.keep() is False


def test_who_was_away_does_not_judge_others(
    owners: tuple[PostgresOwner, PostgresOwner], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart of the server everybody is silent, and must have time to come back."""
    lost, watcher = owners
    cut(lost)
    assert watcher.bury() == 0
    assert lost.id in watcher._silent
    cut(watcher)
    assert watcher.keep() is False
    assert watcher._silent == {}


def test_a_slot_with_a_row_is_not_taken(url: str, owners: tuple[PostgresOwner, PostgresOwner]) -> None:
    """Its process may yet come back, and two of one slot would mint the same call ids."""
    cut(owners[0])
    third = PostgresOwner(url, ManualClock(NOON))
    assert third.slot not in {owners[0].slot, owners[1].slot}
    third.release()


def test_who_ends_takes_its_row_along(url: str, owners: tuple[PostgresOwner, PostgresOwner]) -> None:
    third = PostgresOwner(url, ManualClock(NOON))
    third.release()
    till = Till(url, owner=99)
    assert till.rows("SELECT count(*) FROM owner WHERE id = ?", third.id) == [(0,)]
    till.close()


def test_a_lost_connection_that_the_server_still_believes_in_is_waited_for(
    owners: tuple[PostgresOwner, PostgresOwner],
) -> None:
    lost, _ = owners
    believed = lost._connection
    lost._connection = lost._connect()
    lost._connection.close()
    with pytest.raises(StoreUnavailableError, match="not yet noticed"):
        lost.keep()
    believed.close()
    until(lambda: not lost.keep(), "the slot again")
