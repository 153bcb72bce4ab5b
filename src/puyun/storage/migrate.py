"""Bringing a database to the schema this version speaks."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, text

from puyun.storage.engine import writing

HEAD = "0017"
"""The newest migration; a test holds it against the folder."""


def current(engine: Engine) -> str | None:
    """The migration the database is at; None when it is empty."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(engine: Engine) -> bool:
    """Run what is missing; False when nothing was. Safe to call by several processes at once: there is one writer."""
    if current(engine) == HEAD:
        return False
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return True
