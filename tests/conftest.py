"""Fixtures of every kind of test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.nodeid import coerce_node_id
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings
from sqlalchemy import text
from stage.platform import Platform

from bench.postgres import Postgres
from puyun.storage.engine import open_engine, writing
from puyun.storage.migrate import upgrade
from puyun.system import passwords

# A busy machine is no fault of the code. `--hypothesis-profile thorough` looks longer.
settings.register_profile("thorough", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=500)
settings.register_profile("puyun", settings.get_profile("thorough"), max_examples=50)
settings.load_profile("puyun")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """xdist 3.8 writes a test's group where pytest 9.2 does not read it any more: no group was kept together."""
    for item in items if getattr(config.option, "loadgroup", False) else ():
        group = item.get_closest_marker("xdist_group")
        if group is not None and "@" not in item.nodeid.rpartition("]")[2]:
            item._id = coerce_node_id(f"{item.nodeid}@{group.args[0]}")


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """The least work that argon2 does: tests sign in by the hundred. tests/unit/system/test_passwords.py has it all."""
    real = passwords._hasher
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    yield
    passwords._hasher = real


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, made once a process; tests copy it."""
    path = tmp_path_factory.mktemp("template") / "puyun.db"
    engine = open_engine(path)
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform, one for each test process; its audit must be clean at the end."""
    with Platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture(scope="session")
def _own_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    settings = {"PUYUN_SERVER__SHUTDOWN_SECONDS": "8", "PUYUN_UPSTREAM__FIRST_BYTE_TIMEOUT": "120"}
    with Platform(tmp_path_factory.mktemp("own"), **settings) as running:
        yield running


@pytest.fixture
def own_platform(_own_platform: Platform) -> Platform:
    """One that a test may stop or kill, and that waits for its upstream. Its tests are of the xdist group `own`."""
    if not _own_platform.server.alive:
        _own_platform.restart()
    return _own_platform


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, one for each test process that needs it. `migrated` is a database to copy."""
    with Postgres() as server:
        engine = open_engine(server.create("migrated"))
        upgrade(engine)
        engine.dispose()
        engine = open_engine(server.create("loose", "migrated"))
        with writing(engine) as connection:
            named = "SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'f'"
            for table, name in connection.execute(text(named)).all():
                connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
        engine.dispose()
        yield server
