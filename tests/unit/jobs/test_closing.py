import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import Shop

from puyun.jobs.closing import Closing
from puyun.kit.clock import HOUR
from puyun.metering.usage import Usage
from puyun.pricing.statement import parse_month
from puyun.storage.engine import open_engine, reading, writing
from puyun.storage.reports.statements import load_closed

NOVEMBER = parse_month("2026-11")


@pytest.fixture
def shop(tmp_path: Path, migrated: Path) -> Iterator[Shop]:
    database = Path(shutil.copy(migrated, tmp_path / "puyun.db"))
    engine = open_engine(database)
    shop = Shop(engine, database)
    yield shop
    shop.store.close()
    engine.dispose()


def closed(shop: Shop, org: int = 7) -> bool:
    with reading(shop.engine) as connection:
        return load_closed(connection, org, NOVEMBER) is not None


def test_a_month_is_closed_once_it_is_over_and_its_calls_have_ended(shop: Shop) -> None:
    with writing(shop.engine) as connection:
        shop.organization(connection, "other", 8)
    job = Closing(shop.engine, shop.clock)
    call, _ = shop.hold()
    assert job.once() == 0
    shop.clock.advance(NOVEMBER.end - shop.clock.now() + HOUR)
    assert job.once() == 1
    assert (closed(shop), closed(shop, 8)) == (False, True)
    shop.settle(call, Usage(input=1))
    assert job.once() == 1
    assert closed(shop)
    assert job.once() == 0


def test_one_that_does_not_add_up_is_told_and_keeps_no_other_from_closing(shop: Shop, caplog) -> None:
    shop.sell(Usage(input=1000))
    with writing(shop.engine) as connection:
        shop.organization(connection, "other", 8)
        connection.exec_driver_sql("UPDATE rollup_hour SET charge = charge + 1")
    shop.clock.advance(NOVEMBER.end - shop.clock.now())
    with caplog.at_level(logging.WARNING):
        assert Closing(shop.engine, shop.clock).once() == 1
    assert (closed(shop), closed(shop, 8)) == (False, True)
    assert [record.message for record in caplog.records] == ["month_not_closed"]
