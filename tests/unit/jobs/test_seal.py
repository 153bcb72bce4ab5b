import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from books import findings, wallet, why
from scripted import until
from shop import NOON, Shop
from sqlalchemy import text

from puyun.jobs import seal as module
from puyun.jobs.seal import Sealing
from puyun.kit.clock import HOUR, Instant
from puyun.metering.usage import Usage
from puyun.storage.engine import open_engine, reading, writing
from puyun.storage.money.grants import give_bonus
from puyun.storage.money.seals import last_seal


@pytest.fixture
def shop(tmp_path: Path, migrated: Path) -> Iterator[Shop]:
    path = Path(shutil.copy(migrated, tmp_path / "puyun.db"))
    engine = open_engine(path)
    shop = Shop(engine, path)
    yield shop
    shop.store.close()
    engine.dispose()


def sealed(shop: Shop) -> int:
    with reading(shop.engine) as connection:
        return last_seal(connection).id


def test_expired_bonus_is_cut_off_and_closed_hours_are_sealed(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        give_bonus(connection, 7, 50, why("b"), expires_at=Instant(NOON + HOUR), now=NOON)
    shop.sell(Usage(input=4))
    before = wallet(shop.engine).bonus
    shop.later(3)
    sealing = Sealing(shop.engine, shop.clock)
    sealing.once()
    assert (before - wallet(shop.engine).bonus, sealed(shop)) == (0, 1)  # the call had used the lot up
    with writing(shop.engine) as connection:
        give_bonus(connection, 7, 50, why("c"), expires_at=Instant(NOON + HOUR), now=NOON)
    sealing.once()
    assert (wallet(shop.engine).bonus, sealed(shop)) == (before, 1)
    shop.later(1)
    sealing.once()
    sealing.once()
    assert sealed(shop) == 2
    assert findings(shop.engine) == []


def test_it_goes_on_after_a_failure(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "EVERY_SECONDS", 0.01)
    shop.later(3)
    with writing(shop.engine) as connection:
        connection.execute(text("ALTER TABLE seal RENAME TO gone"))

    async def scene() -> None:
        job = asyncio.get_running_loop().create_task(Sealing(shop.engine, shop.clock).run())
        await until(lambda: "sealing_failed" in caplog.messages, "the failure in the log")
        with writing(shop.engine) as connection:
            connection.execute(text("ALTER TABLE gone RENAME TO seal"))
        await until(lambda: sealed(shop) == 1, "a seal")
        job.cancel()

    asyncio.run(scene())
