"""A PostgreSQL that is there and says nothing: a process that was stopped, or all of them, as behind a network that
swallows. Whoever waits hears of it in bounded time, it comes back by itself, and nothing is written twice.
"""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from stage.waiting import until
from till import Till, hold, record

from bench.postgres import Postgres
from puyun.kit.clock import ManualClock
from puyun.ledger.command import Held, Settled
from puyun.storage import engine
from puyun.storage.ledger import postgres as module
from puyun.storage.ledger.advisory import PostgresOwner
from puyun.storage.ledger.postgres import PostgresLedger
from puyun.storage.ledger.store import Ask, StoreUnavailableError
from puyun.storage.ledger.writer import LedgerUnavailableError, LedgerWriter

ORG = 7


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(module, "FATE_SECONDS", 0.1)
    monkeypatch.setitem(engine._KEEPALIVE, "connect_timeout", 2)


@pytest.fixture
def till(postgres: Postgres) -> Iterator[Till]:
    with postgres.copy("loose") as url:
        till = Till(url)
        till.wallet(ORG, paid=100)
        yield till
        till.close()


@contextmanager
def frozen(*processes: int) -> Iterator[None]:
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def backend(till: Till) -> int:
    assert isinstance(till.store, PostgresLedger)
    assert till.store._opened is not None
    return till.store._opened.info.backend_pid


def whole(postgres: Postgres) -> list[int]:
    """All processes of the server, the one that takes connections first."""
    first = postgres._server.pid
    return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]


def again(till: Till, ask: Ask):
    """Its outcome, once a lock that the frozen process held is free."""

    def settled():
        try:
            return till.one(ask)
        except StoreUnavailableError:
            return None

    return until(settled, "the database to answer")


def test_a_batch_that_hears_nothing_is_given_up(till: Till) -> None:
    call = till.call()
    assert till.one(hold(ORG, call, 10)) == Held(10, 90)
    with frozen(backend(till)), pytest.raises(StoreUnavailableError, match="has not answered") as caught:
        till.one(record(ORG, call, 5))
    assert not caught.value.unknown
    assert again(till, record(ORG, call, 5)) == Settled(5, 0, 95, 1)
    assert len(till.everything(ORG)["record"]) == 1


def test_a_commit_that_hears_nothing_is_of_unknown_fate_and_settles_once(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = till.call()
    till.one(hold(ORG, call, 10))
    stopped: list[int] = []

    def stop(_points: object, _asks: Sequence[Ask]) -> None:
        if not stopped:
            stopped.append(backend(till))
            os.kill(stopped[0], signal.SIGSTOP)

    monkeypatch.setattr(module.crash, "reached_by", stop)
    try:
        with pytest.raises(StoreUnavailableError) as caught:
            till.one(record(ORG, call, 5))
    finally:
        os.kill(stopped[0], signal.SIGCONT)
    assert caught.value.unknown
    assert again(till, record(ORG, call, 5)) == Settled(5, 0, 95, 1)
    assert till.everything(ORG)["wallet"] == [(95, 0, 0, 1)]
    assert len(till.everything(ORG)["record"]) == 1


def test_calls_are_refused_while_the_whole_server_is_frozen_and_taken_when_it_is_back(
    till: Till, postgres: Postgres
) -> None:
    async def run() -> None:
        store = PostgresLedger(str(till.database), till.clock, 1)
        writer = LedgerWriter(store, till.clock, asyncio.get_running_loop(), lambda _org, _call: None)
        writer.start()
        call = till.call()
        async with asyncio.timeout(20):
            assert await writer.ask(hold(ORG, call, 10)) == Held(10, 90)
            with frozen(*whole(postgres)):
                for _ in range(2):  # on the connection there was, and then on none
                    with pytest.raises(LedgerUnavailableError):
                        await writer.ask(hold(ORG, till.call(), 10))
                settle = writer.ask(record(ORG, call, 5))
            assert await settle == Settled(5, 0, 95, 1)
            assert await writer.ask(hold(ORG, till.call(), 10)) == Held(10, 85)
            await writer.stop()

    asyncio.run(run())
    assert len(till.everything(ORG)["record"]) == 1


def test_who_lives_is_asked_on_a_connection_that_may_freeze_too(postgres: Postgres) -> None:
    with postgres.copy("loose") as url:
        owner = PostgresOwner(url, ManualClock())
        before = owner.id, owner.slot
        with frozen(owner._connection.info.backend_pid), pytest.raises(StoreUnavailableError, match="has not answered"):
            owner.keep()

        def kept() -> bool:
            try:
                return not owner.keep()
            except StoreUnavailableError:
                return False

        until(kept, "the slot again")
        assert (owner.id, owner.slot) == before
        owner.release()
