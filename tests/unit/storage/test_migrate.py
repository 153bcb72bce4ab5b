import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from shop import Shop
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from bench.postgres import Postgres
from puyun.ledger.hold import Status
from puyun.metering.usage import Usage
from puyun.storage import migrate, schema
from puyun.storage.audit import Counts, audit
from puyun.storage.engine import open_engine, reading, writing
from puyun.storage.signup.verifying import is_verified

VERSIONS = Path(migrate.__file__).parent / "migrations" / "versions"


def test_the_newest_migration_is_the_one_that_the_code_names() -> None:
    assert max(path.name.partition("_")[0] for path in VERSIONS.glob("0*.py")) == migrate.HEAD


def test_an_empty_database_is_brought_up_once(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "puyun.db")
    assert migrate.current(engine) is None
    assert migrate.upgrade(engine)
    assert migrate.current(engine) == migrate.HEAD
    assert not migrate.upgrade(engine)
    engine.dispose()


def test_the_migrations_make_the_schema_that_the_code_speaks(migrated: Path, tmp_path: Path) -> None:
    engine = open_engine(Path(shutil.copy(migrated, tmp_path / "puyun.db")))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    engine.dispose()


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    engines = [open_engine(tmp_path / "puyun.db") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(migrate.upgrade, engines)).count(True) >= 1
    assert {migrate.current(engine) for engine in engines} == {migrate.HEAD}
    for engine in engines:
        engine.dispose()


def upgrade_to(engine: Engine, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def copy_rows(newer: Path, older: Engine) -> None:
    """Every row of a database of today into one of an earlier schema, as far as that has columns for it."""
    with older.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql(f"ATTACH '{newer}' AS newer")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        tables = inspect(connection).get_table_names()
        for table in set(tables) - {"alembic_version", "budget"}:
            columns = ", ".join(f'"{column["name"]}"' for column in inspect(connection).get_columns(table))
            connection.exec_driver_sql(f'DELETE FROM main."{table}" WHERE true') if table == "revision" else None
            connection.exec_driver_sql(f'INSERT INTO main."{table}" ({columns}) SELECT {columns} FROM newer."{table}"')
        connection.exec_driver_sql(
            'INSERT INTO main.budget ("key", "limit", spent, held) SELECT b.number, b.amount, w.spent, w.held'
            " FROM newer.budget AS b JOIN newer.budget_window AS w ON w.budget = b.id"
        )
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("DETACH newer")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_first_release_s_database_is_brought_up_with_its_rows_and_audits_clean(
    shop: Shop, database: Path, tmp_path: Path
) -> None:
    shop.sell(Usage(input=1000, cached_input=7, cache_write=3, output=100, reasoning=5))
    shop.sell(Usage(input=3), Status.CANCELLED)
    older = open_engine(tmp_path / "older.db")
    upgrade_to(older, "0001")
    copy_rows(database, older)
    assert migrate.upgrade(older)
    with reading(older) as connection:
        counts = Counts()
        assert list(audit(connection, counts, lambda _done, _total: None)) == []
        assert counts.records == 2
    for act in ("DELETE FROM usage_record", "UPDATE usage_record SET input = 0"):
        with pytest.raises(IntegrityError, match="append-only"), writing(older) as connection:
            connection.exec_driver_sql(act)
    older.dispose()


def test_postgresql_gets_the_same_schema(postgres: Postgres) -> None:
    with postgres.copy("template1") as url:
        engines = [open_engine(url) for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            assert any(pool.map(migrate.upgrade, engines))
        assert {migrate.current(engine) for engine in engines} == {migrate.HEAD}
        assert not migrate.upgrade(engines[0])
        with engines[0].connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        for engine in engines:
            engine.dispose()


def test_users_there_were_are_verified(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "puyun.db")
    upgrade_to(engine, "0015")
    with writing(engine) as connection:
        row = "INSERT INTO user (email, password_hash, operator, created_at) VALUES ('ada@example.com', '', 0, 7)"
        connection.execute(text(row))
    migrate.upgrade(engine)
    with reading(engine) as connection:
        assert is_verified(connection, 1)
    engine.dispose()
