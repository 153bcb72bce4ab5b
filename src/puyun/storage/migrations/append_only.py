"""Tables whose rows the database itself refuses to change or delete (I3)."""

from alembic import op

_SQLITE = (
    "CREATE TRIGGER {table}_no_{act} BEFORE {act} ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
)

_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""

_POSTGRESQL = (
    'CREATE TRIGGER {table}_no_{act} BEFORE {act} ON "{table}" FOR EACH {each} EXECUTE FUNCTION refuse_change()'
)


def append_only(*tables: str) -> None:
    """Let rows be added, and nothing else. TRUNCATE is refused too, where there is such a thing."""
    if op.get_bind().dialect.name == "sqlite":
        for table in tables:
            for act in ("update", "delete"):
                op.execute(_SQLITE.format(table=table, act=act))
        return
    op.execute(_FUNCTION)
    for table in tables:
        for act in ("update", "delete", "truncate"):
            op.execute(_POSTGRESQL.format(table=table, act=act, each="STATEMENT" if act == "truncate" else "ROW"))
