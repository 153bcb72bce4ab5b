"""A fresh database a test, and a shop in it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from shop import Shop
from sqlalchemy import Engine

from puyun.storage.engine import open_engine


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
