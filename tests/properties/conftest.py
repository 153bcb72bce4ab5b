"""One migrated database for all properties of a worker; each example brings its own organizations."""

from collections.abc import Iterator

import pytest
from till import Till

from puyun.storage.engine import open_engine
from puyun.storage.migrate import upgrade


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def till(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Till]:
    if request.param == "postgresql":
        with request.getfixturevalue("postgres").copy("loose") as url:
            till = Till(url)
            yield till
            till.close()
        return
    path = tmp_path_factory.mktemp("properties") / "puyun.db"
    engine = open_engine(path)
    upgrade(engine)
    engine.dispose()
    till = Till(path)
    till.sql.execute("PRAGMA synchronous = OFF")
    till.store._connection.execute("PRAGMA synchronous = OFF")
    yield till
    till.close()
