"""A fresh database a test, on each engine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from puyun.storage.engine import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path, migrated: Path) -> Iterator[Database]:
    """Names in its rows need not refer to anything."""
    if request.param == "sqlite":
        yield Path(shutil.copy(migrated, tmp_path / "puyun.db"))
        return
    with request.getfixturevalue("postgres").copy("loose") as url:
        yield url
