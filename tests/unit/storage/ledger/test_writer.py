"""The writer thread: group commit, and what it does while the database cannot be written or a command is broken."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest
from till import NOON, Sql, Till, columns, hold, record, sql

from puyun.catalog.model import Tier
from puyun.kit.clock import ManualClock
from puyun.ledger.command import Held, Outcome, Reason, Refused, Settled
from puyun.storage.engine import Database
from puyun.storage.ledger import postgres, writer as module
from puyun.storage.ledger.inbox import NOTHING, Noted, read_post
from puyun.storage.ledger.opening import open_store
from puyun.storage.ledger.sqlite import SqliteLedger
from puyun.storage.ledger.store import BATCH_MAX, Ask, StoreUnavailableError
from puyun.storage.ledger.writer import SETTLE_PATIENCE, STALL, LedgerUnavailableError, LedgerWriter

ORG = 7
PATIENCE = 20.0


class CountingStore:
    """The real store; it remembers the size of each batch, and waits hardly at all for a lock."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self._store = open_store(database, clock, 1)
        self.owner = 1
        self.batches: list[int] = []
        self.unknown = False
        self.away = 0
        self.slow = 0
        self._clock = clock
        if isinstance(self._store, SqliteLedger):
            self._store._connection.execute("PRAGMA busy_timeout = 20")

    def commit(self, asks: Sequence[Ask], noted: Noted = NOTHING) -> list[Outcome]:
        self.batches.append(len(asks))
        self._clock.advance(self.slow)
        if self.away:
            self.away -= 1
            raise StoreUnavailableError("away")
        outcomes = self._store.commit(asks, noted)
        if self.unknown:
            self.unknown = False
            raise StoreUnavailableError("lost at the commit", unknown=True)
        return outcomes

    def expire_orphans(self) -> int:
        return self._store.expire_orphans()

    def close(self) -> None:
        self._store.close()


class Stage:
    """A writer on a running loop, its store, and the clock by which it loses patience."""

    def __init__(self, till: Till, loop: asyncio.AbstractEventLoop) -> None:
        self.till = till
        self.clock = ManualClock(NOON)
        self.store = CountingStore(till.database, self.clock)
        self.given_back: list[tuple[int, int]] = []
        self.away = 0
        self.writer = LedgerWriter(self.store, self.clock, loop, self.give_back)
        self.writer.start()

    def give_back(self, org: int, call: int) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailableError("not yet")
        self.given_back.append((org, call))

    async def seen(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not what():  # noqa: ASYNC110 - what is waited for is in a database
                await asyncio.sleep(0.005)

    def block(self) -> Sql:
        """Somebody takes the lock that a batch needs and keeps it."""
        other = sql(self.till.database)
        if isinstance(self.till.database, str):
            other.execute("BEGIN")
            other.execute("SELECT FROM wallet FOR UPDATE")
        else:
            other.execute("BEGIN IMMEDIATE")
        return other


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    monkeypatch.setitem(postgres.SESSION, "statement_timeout", "20ms")


@pytest.fixture
def till(anywhere: Database) -> Iterator[Till]:
    till = Till(anywhere)
    till.wallet(ORG, paid=1000)
    yield till
    till.close()


def test_what_comes_together_commits_together_and_in_order(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        calls = [till.call() for _ in range(BATCH_MAX + 10)]
        outcomes = await asyncio.gather(*(stage.writer.ask(hold(ORG, call, 1)) for call in calls))
        assert outcomes == [Held(1, 999 - n) for n in range(BATCH_MAX + 10)]
        assert stage.store.batches == [BATCH_MAX, 10]
        await stage.writer.stop()

    asyncio.run(run())


def test_the_outcome_is_durable_when_it_is_told(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        call = till.call()
        assert await stage.writer.ask(hold(ORG, call, 10)) == Held(10, 990)
        assert columns(till.everything(ORG)["hold"], 2, 3, 4, 5) == [(call, 10)]
        assert await stage.writer.ask(record(ORG, call, 4)) == Settled(4, 0, 996, 1)
        assert till.rows("SELECT charge FROM usage_record") == [(4,)]
        assert await stage.writer.ask(hold(ORG, till.call(), 997)) == Refused(Reason.CREDIT, 997, 996)
        await stage.writer.stop()

    asyncio.run(run())


def test_a_writer_that_ends_leaves_nobody_waiting(till: Till, caplog: pytest.LogCaptureFixture) -> None:
    """Its thread meets a bug outside of any command: what waits fails, what comes later fails at once, said once."""

    class BrokenClock(ManualClock):
        def now(self):
            raise ValueError("no time")

    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        stage.writer._clock = BrokenClock(NOON)
        assert stage.writer.alive
        blocker = stage.block()
        waiting = [stage.writer.ask(hold(ORG, till.call(), 1)) for _ in range(BATCH_MAX + 3)]
        async with asyncio.timeout(PATIENCE):
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {LedgerUnavailableError}
            assert not stage.writer.alive
            with pytest.raises(LedgerUnavailableError):
                await stage.writer.ask(hold(ORG, till.call(), 1))
            blocker.execute("ROLLBACK")
            blocker.close()
            await stage.writer.stop()

    asyncio.run(run())
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["ledger_writer_died"]


def test_stop_writes_what_was_asked_for(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        calls = [till.call() for _ in range(200)]
        futures = [stage.writer.ask(hold(ORG, call, 1)) for call in calls]
        await stage.writer.stop()
        assert len(till.everything(ORG)["hold"]) == 200
        assert len(await asyncio.gather(*futures)) == 200

    asyncio.run(run())


def test_a_caller_that_is_gone_is_not_missed(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        future = stage.writer.ask(hold(ORG, till.call(), 1))
        future.cancel()
        assert await stage.writer.ask(hold(ORG, till.call(), 1)) == Held(1, 998)
        await stage.writer.stop()

    asyncio.run(run())


def test_while_the_database_is_locked_holds_fail_and_settles_wait(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        call = till.call()
        await stage.writer.ask(hold(ORG, call, 10))
        other = stage.block()
        settle = stage.writer.ask(record(ORG, call, 4))
        with pytest.raises(LedgerUnavailableError):
            await stage.writer.ask(hold(ORG, till.call(), 1))
        await stage.seen(lambda: len(stage.store.batches) > 3)
        assert not settle.done()
        other.execute("ROLLBACK")
        assert await settle == Settled(4, 0, 996, 1)
        assert await stage.writer.ask(hold(ORG, till.call(), 1)) == Held(1, 995)
        other.close()
        await stage.writer.stop()

    asyncio.run(run())


def test_a_settle_that_ran_out_of_time_is_free_and_the_hold_returns(till: Till) -> None:
    """Policy 17: the customer was told that it failed, so nothing may be taken later."""

    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        call = till.call()
        await stage.writer.ask(hold(ORG, call, 10))
        other = stage.block()
        settle = stage.writer.ask(record(ORG, call, 4))
        await stage.seen(lambda: len(stage.store.batches) > 2)
        stage.clock.advance(SETTLE_PATIENCE)
        with pytest.raises(LedgerUnavailableError):
            await settle
        other.execute("ROLLBACK")
        other.close()
        await stage.seen(lambda: not till.everything(ORG)["hold"])
        assert till.rows("SELECT status, charge, error FROM usage_record") == [(4, 0, "unrecorded")]
        assert till.everything(ORG)["wallet"] == [(1000, 0, 0, 0)]
        await stage.writer.stop()

    asyncio.run(run())


def test_patience_begins_anew_with_each_outage(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        for _ in range(2):
            call = till.call()
            await stage.writer.ask(hold(ORG, call, 10))
            other = stage.block()
            settle = stage.writer.ask(record(ORG, call, 4))
            before = len(stage.store.batches)
            await stage.seen(lambda before=before: len(stage.store.batches) > before + 2)
            stage.clock.advance(SETTLE_PATIENCE - 1)
            other.execute("ROLLBACK")
            other.close()
            assert isinstance(await settle, Settled)
        await stage.writer.stop()

    asyncio.run(run())


def test_stop_ends_though_the_database_does_not_come_back(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        call = till.call()
        await stage.writer.ask(hold(ORG, call, 10))
        other = stage.block()
        settle = stage.writer.ask(record(ORG, call, 4))
        await stage.seen(lambda: len(stage.store.batches) > 2)
        stage.clock.advance(SETTLE_PATIENCE)
        async with asyncio.timeout(PATIENCE):
            await stage.writer.stop()
        with pytest.raises(LedgerUnavailableError):
            await settle
        other.execute("ROLLBACK")
        other.close()
        assert columns(till.everything(ORG)["hold"], 2, 3, 4, 5) == [(call, 10)]

    asyncio.run(run())


@pytest.mark.parametrize("rated", [2**63, "many"], ids=["no integer of a database", "no number"])
def test_one_broken_command_fails_alone(till: Till, rated, caplog: pytest.LogCaptureFixture) -> None:
    """A bug must cost one call, uncharged, and no other; the thread lives on."""

    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        calls = [till.call() for _ in range(3)]
        await asyncio.gather(*(stage.writer.ask(hold(ORG, call, 10)) for call in calls))
        broken = msgspec.structs.replace(record(ORG, calls[1], 1), exact=rated)
        good = [record(ORG, calls[0], 1), record(ORG, calls[2], 1)]
        futures = [stage.writer.ask(ask) for ask in (good[0], broken, good[1])]
        first, bad, last = await asyncio.gather(*futures, return_exceptions=True)
        assert isinstance(first, Settled)
        assert isinstance(bad, LedgerUnavailableError)
        assert isinstance(last, Settled)
        await stage.seen(lambda: not till.everything(ORG)["hold"])
        shown = "SELECT call, status, charge FROM usage_record ORDER BY call"
        assert till.rows(shown) == [(calls[0], 1, 1), (calls[1], 4, 0), (calls[2], 1, 1)]
        assert till.everything(ORG)["wallet"][0][:3] == (998, 0, 0)
        await stage.writer.stop()

    asyncio.run(run())
    assert [entry.message for entry in caplog.records if entry.name == "puyun.ledger"] == ["ledger_bug"]


def test_a_hold_of_unknown_fate_is_refused_and_returned(till: Till) -> None:
    """Its caller was told that it failed; if it was written all the same, a void takes it back."""

    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        stage.store.unknown = True
        with pytest.raises(LedgerUnavailableError):
            await stage.writer.ask(hold(ORG, till.call(), 10))
        await stage.seen(lambda: till.everything(ORG)["wallet"] == [(1000, 0, 0, 0)])
        assert till.rows("SELECT status, charge, error FROM usage_record") == [(4, 0, "unrecorded")]
        await stage.writer.stop()

    asyncio.run(run())


def test_a_settle_of_unknown_fate_is_asked_again_and_charged_once(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        call = till.call()
        await stage.writer.ask(hold(ORG, call, 10))
        stage.store.unknown = True
        assert await stage.writer.ask(record(ORG, call, 4)) == Settled(4, 0, 996, 1)
        assert till.everything(ORG)["wallet"] == [(996, 0, 0, 1)]
        await stage.writer.stop()

    asyncio.run(run())


def test_a_settle_that_is_found_written_after_its_caller_heard_that_it_failed_goes_back(till: Till) -> None:
    """Its connection was lost at the commit, and the database for longer than a caller is kept waiting."""

    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        call, other = till.call(), till.call()
        await asyncio.gather(*(stage.writer.ask(hold(ORG, one, 10)) for one in (call, other)))
        stage.store.unknown, stage.store.slow, stage.away = True, SETTLE_PATIENCE, 2
        with pytest.raises(LedgerUnavailableError):
            await stage.writer.ask(record(ORG, call, 4))
        stage.store.slow = 0
        await stage.seen(lambda: bool(stage.given_back))
        assert await stage.writer.ask(record(ORG, other, 1)) == Settled(1, 0, 995, 2)
        assert stage.given_back == [(ORG, call)]
        await stage.writer.stop()

    asyncio.run(run())


def test_who_queued_while_the_database_stalled_is_not_kept_for_another_try(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        call = till.call()
        await stage.writer.ask(hold(ORG, call, 10))
        blocker = stage.block()
        stage.store.slow = STALL
        before = len(stage.store.batches)
        waiting = [stage.writer.ask(hold(ORG, till.call(), 1)) for _ in range(BATCH_MAX * 20)]
        settle = stage.writer.ask(record(ORG, call, 4))
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {LedgerUnavailableError}
        assert len(stage.store.batches) - before < 4
        assert not settle.done()
        stage.store.slow = 0
        blocker.execute("ROLLBACK")
        blocker.close()
        assert await settle == Settled(4, 0, 996, 1)
        await stage.writer.stop()

    asyncio.run(run())


# --- calls that were never held --------------------------------------------------------------------------------------
def noted(till: Till) -> list[tuple[int, int]]:
    """Of each row of the inbox: how many calls ended, and how many had never been held."""
    found = [read_post(content) for (content,) in till.rows("SELECT content FROM tally_inbox ORDER BY id")]
    return [(len(post.ended), sum(often for _, often in post.refused)) for post in found]


def refuse(stage: Stage, times: int = 1) -> None:
    for _ in range(times):
        stage.writer.note(ORG, 1, Tier.TEST, "capacity_unavailable", waited_ms=20)


def test_a_note_goes_with_the_next_batch(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        call = till.call()
        await stage.writer.ask(hold(ORG, call, 10))
        refuse(stage, 3)
        assert noted(till) == []
        await stage.writer.ask(record(ORG, call, 4))
        assert noted(till) == [(1, 3)]
        await stage.writer.stop()

    asyncio.run(run())
    assert noted(till) == [(1, 3)]


def test_a_note_that_no_batch_comes_for_makes_one(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOTE_SECONDS", 0.01)

    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        refuse(stage)
        await stage.seen(lambda: noted(till) == [(0, 1)])
        refuse(stage, 2)
        await stage.seen(lambda: noted(till) == [(0, 1), (0, 2)])
        await stage.writer.stop()

    asyncio.run(run())


def test_stop_writes_the_notes(till: Till) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        refuse(stage, 2)
        await stage.writer.stop()
        refuse(stage)

    asyncio.run(run())
    assert noted(till) == [(0, 2)]


def test_notes_wait_for_a_database_that_is_away(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NOTE_SECONDS", 0.01)

    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        stage.store.away = 3
        refuse(stage, 2)
        await stage.seen(lambda: len(stage.store.batches) > 2)
        refuse(stage)
        await stage.seen(lambda: sum(often for _, often in noted(till)) == 3)
        await stage.writer.stop()

    asyncio.run(run())
    assert sum(often for _, often in noted(till)) == 3


def test_notes_of_unknown_fate_are_not_counted_twice(till: Till, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setattr(module, "NOTE_SECONDS", 0.01)

    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        stage.store.unknown = True
        refuse(stage, 2)
        await stage.seen(lambda: noted(till) == [(0, 2)])
        assert await stage.writer.ask(hold(ORG, till.call(), 1)) == Held(1, 999)
        await stage.writer.stop()

    asyncio.run(run())
    assert noted(till) == [(0, 2)]
    assert [entry.message for entry in caplog.records if entry.name == "puyun.ledger"] == ["notes_lost"]


def test_notes_that_cannot_be_written_fail_alone(till: Till, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        stage = Stage(till, asyncio.get_running_loop())
        call = till.call()
        await stage.writer.ask(hold(ORG, call, 10))
        stage.writer.note(ORG, 1, Tier.TEST, "\ud800")
        assert await stage.writer.ask(record(ORG, call, 4)) == Settled(4, 0, 996, 1)
        await stage.writer.stop()

    asyncio.run(run())
    assert noted(till) == [(1, 0)]
    assert [entry.message for entry in caplog.records if entry.name == "puyun.ledger"] == ["ledger_bug"]
