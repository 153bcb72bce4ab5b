"""Alembic's entry: the connection is handed over by puyun.storage.migrate."""

from alembic import context

from puyun.storage.budgets import tables as budgets
from puyun.storage.control import tables as control
from puyun.storage.limits import tables as limits
from puyun.storage.mail import tables as mail
from puyun.storage.members import tables as members
from puyun.storage.money import tables as money
from puyun.storage.notify import tables as notify
from puyun.storage.papers import tables as papers
from puyun.storage.schema import metadata
from puyun.storage.security import tables as security
from puyun.storage.service import tables as service
from puyun.storage.webhooks import tables as webhooks
from puyun.system import crash

_ = (
    budgets,
    control,
    limits,
    mail,
    members,
    money,
    notify,
    papers,
    security,
    service,
    webhooks,
)  # whose tables are a part


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
