"""Alembic's entry: the connection is handed over by puyun.storage.migrate."""

from alembic import context

from puyun.storage.schema import metadata
from puyun.system import crash


def _applied(*_: object, **_named: object) -> None:
    crash.reached("migration-applied")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    on_version_apply=_applied,
)
with context.begin_transaction():
    context.run_migrations()
