import asyncio
import shutil
from pathlib import Path

import pytest
from scripted import until
from till import NOON, Till, hold

from puyun.gateway.upstream import Pool
from puyun.jobs import sweep as module
from puyun.jobs.stalls import Stalls
from puyun.jobs.sweep import OrphanSweep, sweep_connections
from puyun.kit.clock import ManualClock
from puyun.storage.ledger.opening import open_store
from puyun.storage.ledger.owner import FileOwner
from puyun.storage.ledger.store import StoreUnavailableError


class Stage:
    """This process, one that died with a hold, and one that lives with a hold."""

    def __init__(self, folder: Path, migrated: Path) -> None:
        self.database = Path(shutil.copy(migrated, folder / "puyun.db"))
        folder, clock = folder / "owners", ManualClock(NOON)
        self.owners = [FileOwner(self.database, folder, clock) for _ in range(3)]
        dead, alive, me = self.owners
        for owner in (dead, alive):
            till = Till(self.database, owner.id)
            if owner is dead:
                till.wallet(7, paid=100)
            till.clock.advance(owner.id * 1_000_000)
            till.one(hold(7, till.call(), 10))
            till.close()
        dead.release()
        self.renewed: list[int] = []
        self.sweep = OrphanSweep(me, open_store(self.database, clock), lambda: self.renewed.append(me.id))

    def held(self) -> list[tuple]:
        till = Till(self.database, self.owners[2].id)
        found = till.rows("SELECT (SELECT held FROM wallet), (SELECT count(*) FROM hold), (SELECT count(*) FROM owner)")
        till.close()
        return found

    def close(self) -> None:
        self.sweep.close()
        for owner in self.owners[1:]:
            owner.release()


def test_the_holds_of_the_dead_return_and_those_of_the_living_stay(tmp_path: Path, migrated: Path) -> None:
    stage = Stage(tmp_path, migrated)
    assert stage.held() == [(20, 2, 3)]
    assert stage.sweep.once() == 1
    assert stage.held() == [(10, 1, 2)]
    assert stage.sweep.once() == 0
    stage.close()


def test_it_goes_on_after_a_failure(
    tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path, migrated)
    monkeypatch.setattr(module, "ORPHANS_SECONDS", 0.005)
    once, fails = stage.sweep.once, [True]

    def first_fails() -> int:
        if fails.pop() if fails else False:
            raise StoreUnavailableError("database is locked")
        return once()

    monkeypatch.setattr(stage.sweep, "once", first_fails)

    async def run() -> None:
        task = asyncio.get_running_loop().create_task(stage.sweep.run())
        await until(lambda: len(caplog.records) > 1, "a second look")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert [record.message for record in caplog.records] == ["orphan_sweep_failed", "orphans_returned"]
    assert stage.held() == [(10, 1, 2)]
    stage.close()


def test_who_was_taken_for_dead_goes_on_as_another(
    tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(tmp_path, migrated)
    monkeypatch.setattr(module, "ORPHANS_SECONDS", 0.005)
    told = [True]
    monkeypatch.setattr(stage.owners[2], "keep", lambda: bool(told) and told.pop())

    async def run() -> None:
        task = asyncio.get_running_loop().create_task(stage.sweep.run())
        await until(lambda: stage.held() == [(10, 1, 2)], "the hold returned")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert stage.renewed == [stage.owners[2].id]
    assert caplog.records[0].message == "owner_renewed"
    stage.close()


def test_connections_are_looked_at_by_the_loop_s_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONNECTIONS_SECONDS", 0.005)
    looks: list[float] = []

    class Watched(Pool):
        def sweep(self, now: float) -> None:
            looks.append(now)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(sweep_connections(list, Watched(None, loop), Stalls(1)))
        await until(lambda: len(looks) > 2, "several looks")
        assert looks == sorted(looks)
        assert looks[-1] <= loop.time()
        task.cancel()

    asyncio.run(run())
