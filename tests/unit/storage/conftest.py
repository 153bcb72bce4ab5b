"""A fresh database a test, on each engine, and a shop in it. `file` is for tests of SQLite alone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import Shop
from sqlalchemy import Engine

from puyun.storage.engine import Database, open_engine


@pytest.fixture
def file(tmp_path: Path, migrated: Path) -> Path:
    return Path(shutil.copy(migrated, tmp_path / "puyun.db"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    if request.param == "sqlite":
        yield request.getfixturevalue("file")
        return
    with request.getfixturevalue("postgres").copy() as url:
        yield url


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    engine = open_engine(database)
    yield engine
    engine.dispose()


@pytest.fixture
def shop(engine: Engine, database: Database) -> Iterator[Shop]:
    shop = Shop(engine, database)
    yield shop
    shop.store.close()
