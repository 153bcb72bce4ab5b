"""A fresh database a test, migrated once a worker, then copied; and a shop in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import Shop
from sqlalchemy import Engine

from puyun.storage.engine import open_engine
from puyun.storage.migrate import upgrade


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "puyun.db"
    engine = open_engine(path)
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Path:
    return Path(shutil.copy(migrated, tmp_path / "puyun.db"))


@pytest.fixture
def engine(database: Path) -> Iterator[Engine]:
    engine = open_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def shop(engine: Engine, database: Path) -> Iterator[Shop]:
    shop = Shop(engine, database)
    yield shop
    shop.store.close()
