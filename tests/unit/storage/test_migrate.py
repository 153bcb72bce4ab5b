import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from puyun.storage import migrate, schema
from puyun.storage.engine import open_engine

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
