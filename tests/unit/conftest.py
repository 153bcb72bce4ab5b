"""A migrated database, made once a worker; tests copy it."""

from pathlib import Path

import pytest

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
