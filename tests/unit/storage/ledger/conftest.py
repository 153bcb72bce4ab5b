"""A fresh database a test, on each engine."""

from collections.abc import Iterator

import pytest

from puyun.storage.engine import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def anywhere(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Names in its rows need not refer to anything."""
    if request.param == "sqlite":
        yield request.getfixturevalue("file")
        return
    with request.getfixturevalue("postgres").copy("loose") as url:
        yield url
