import asyncio
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select, text
from stage.waiting import PATIENCE
from till import NOON, record

from puyun.jobs import tallies as module
from puyun.jobs.tallies import Tallying
from puyun.storage.engine import open_engine, reading, writing
from puyun.storage.ledger.inbox import post_of
from puyun.storage.service import tables
from puyun.storage.service.adding import POSTS_MAX


@pytest.fixture
def engine(tmp_path: Path, migrated: Path):
    engine = open_engine(Path(shutil.copy(migrated, tmp_path / "puyun.db")))
    yield engine
    engine.dispose()


def post(engine: Engine, rows: int) -> None:
    with writing(engine) as connection:
        row = {"at": NOON, "content": post_of([record(7, 1, 5)], {})}
        connection.execute(insert(tables.tally_inbox), [row] * rows)


def counted(engine: Engine) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.coalesce(func.sum(tables.tally.c.calls), 0))).scalar_one()


def test_it_adds_up_a_lot_at_a_time(engine: Engine) -> None:
    post(engine, POSTS_MAX + 1)
    job = Tallying(engine)
    assert (job.once(), counted(engine)) == (True, POSTS_MAX)
    assert (job.once(), counted(engine)) == (True, POSTS_MAX + 1)
    assert not job.once()


def test_it_goes_on_after_a_failure(engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.01)
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE tally RENAME TO away"))
    post(engine, 3)

    async def run() -> None:
        task = asyncio.get_running_loop().create_task(Tallying(engine).run())
        async with asyncio.timeout(PATIENCE):
            while not caplog.records:  # noqa: ASYNC110 - what is waited for is in another thread
                await asyncio.sleep(0.01)
            with writing(engine) as connection:
                connection.execute(text("ALTER TABLE away RENAME TO tally"))
            while not counted(engine):  # noqa: ASYNC110 - what is waited for is in a database
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert counted(engine) == 3
    assert {entry.message for entry in caplog.records} == {"tallies_not_added"}
