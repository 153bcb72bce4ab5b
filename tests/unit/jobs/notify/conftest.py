"""A database on each engine, and organizations with webhooks on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hooks import START, Hooks
from sqlalchemy import Engine
from stage.receiver import Receiver, receiving

from puyun.kit.clock import ManualClock
from puyun.storage.engine import open_engine


@pytest.fixture
def file(tmp_path: Path, migrated: Path) -> Path:
    return Path(shutil.copy(migrated, tmp_path / "puyun.db"))


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "sqlite":
        made = open_engine(request.getfixturevalue("file"))
        yield made
        made.dispose()
        return
    with request.getfixturevalue("postgres").copy() as url:
        made = open_engine(url)
        yield made
        made.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def hooks(engine: Engine, clock: ManualClock, tmp_path: Path) -> Hooks:
    return Hooks(engine, clock, tmp_path)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found
