"""puyun audit, puyun doctor: is the money right, is the installation?"""

import os
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output
from puyun.cli.failure import Exit
from puyun.cli.opening import Config, Data, Json

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy

    from puyun.config import Settings

DISK_LOW = 1 << 30
POSTGRESQL_MIN = 150_000


def audit(
    *,
    statements: Annotated[bool, typer.Option("--statements", help="Make every closed statement again, too.")] = False,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Derive every balance again and compare.

    Balances, holds, budgets, charges and rollups are derived from the journal, the usage records and the prices they
    name, in one consistent view of a database that may be in use. Exit 1 on any difference.
    """
    from puyun.storage.audit import Counts, audit as examine
    from puyun.system.clock import SystemClock

    counts = Counts()
    found: list[dict[str, object]] = []
    with opening.reading(data, config) as connection, output.progress("audit") as step:
        for finding in examine(connection, counts, step, SystemClock().now(), statements=statements):
            found.append({"check": finding.check, "where": finding.where, "message": finding.message})
            if not as_json:
                typer.echo(f"{finding.check}  {finding.where}: {finding.message}")
    summary = {"organizations": counts.organizations, "transactions": counts.transactions, "records": counts.records}
    if as_json:
        output.emit_json({"clean": not found, "examined": summary, "findings": found})
    else:
        examined = ", ".join(f"{value:,} {name}" for name, value in summary.items())
        typer.echo(f"{examined}: {f'{len(found)} differences' if found else 'no difference'}.")
    if found:
        raise typer.Exit(Exit.REFUSED)


def doctor(*, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Look for what would keep it from serving.

    Exit 6 if something would.
    """
    rows: list[dict[str, object]] = []
    for name, state, message in _examine(opening.settings(data, config)):
        rows.append({"check": name, "state": state, "message": message})
    if as_json:
        output.emit_json({"healthy": all(row["state"] != "fault" for row in rows), "checks": rows})
    else:
        output.table(rows, {"state": "", "check": "check", "message": "found"})
    if any(row["state"] == "fault" for row in rows):
        raise typer.Exit(Exit.FAULTS)


def _examine(settings: "Settings") -> "Iterator[tuple[str, str, str]]":
    """(check, `ok` | `note` | `fault`, what was found)."""
    python = ".".join(str(part) for part in sys.version_info[:3])
    yield "python", "ok" if sys.version_info >= (3, 11) else "fault", python
    version = sqlite3.sqlite_version
    yield "sqlite", "ok" if sqlite3.sqlite_version_info >= (3, 37) else "fault", f"{version} (needs 3.37)"
    yield from _directory(settings)
    yield from _embedded_model(settings)
    place = settings.database_place
    if isinstance(place, Path) and not place.exists():
        yield "database", "note", f"none at {place} yet; `puyun serve` makes it"
    else:
        yield from _database(place)


def _directory(settings: "Settings") -> "Iterator[tuple[str, str, str]]":
    import shutil

    at = settings.database_place
    place = at.parent if isinstance(at, Path) else settings.data
    while not place.exists() and place != place.parent:
        place = place.parent
    writable = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    yield "data directory", "ok" if writable else "fault", f"{place} is {'writable' if writable else 'not writable'}"
    free = shutil.disk_usage(place).free
    yield "disk", "ok" if free >= DISK_LOW else "note", f"{free / (1 << 30):.1f} GiB free"


def _embedded_model(settings: "Settings") -> "Iterator[tuple[str, str, str]]":
    from puyun.localmodel.availability import Available, find

    found = find(settings.local_model.path)
    if isinstance(found, Available):
        yield "embedded model", "ok", f"{found.name} from {found.path}"
    else:
        yield "embedded model", "note", f"{found.reason}; the echo provider takes its place"


def _database(place: Path | str) -> "Iterator[tuple[str, str, str]]":
    from puyun.storage.engine import open_engine, reading
    from puyun.storage.migrate import HEAD, current

    engine = open_engine(place)
    try:
        version = current(engine)
        yield "schema", "ok" if version == HEAD else "fault", f"{version or 'none'}, this version needs {HEAD}"
        if version == HEAD:
            with reading(engine) as connection:
                yield from _engine(connection, opening.shown(place))
                yield from _catalog(connection)
                yield from _payments(connection)
    finally:
        engine.dispose()


def _engine(connection: "sqlalchemy.Connection", place: str) -> "Iterator[tuple[str, str, str]]":
    if connection.dialect.name == "sqlite":
        check = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        yield "database", "ok" if check == "ok" else "fault", f"{place}: {check}"
        return
    version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    yield "database", "ok" if number >= POSTGRESQL_MIN else "fault", f"{place}: PostgreSQL {version} (needs 15)"
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if connection.exec_driver_sql(f"SHOW {name}").scalar_one() == "off":
            yield name, "fault", "off: a machine that dies takes completed calls' charges along; set it on"
    yield "backup", "note", "back up with pg_dump or the server's own archive; the data directory holds no money"


def _payments(connection: "sqlalchemy.Connection") -> "Iterator[tuple[str, str, str]]":
    from puyun.kit.clock import DAY
    from puyun.storage.money.unmatched import list_unmatched
    from puyun.system.clock import SystemClock

    late = [row for row in list_unmatched(connection) if SystemClock().now() - row.received_at > DAY]
    if late:
        message = f"{len(late)} since more than a day, for nobody; match or return them: puyun payment list"
        yield "payments", "note", message


def _catalog(connection: "sqlalchemy.Connection") -> "Iterator[tuple[str, str, str]]":
    from puyun.catalog.fault import FaultKind
    from puyun.catalog.validate import check
    from puyun.storage.catalog import load_catalog
    from puyun.system.clock import SystemClock

    now = SystemClock().now()
    catalog = load_catalog(connection, now)
    faults = check(catalog, None, now)
    if not faults:
        yield "catalogue", "ok", f"{len(catalog.models)} models, {len(catalog.deployments)} deployments, no faults"
    for fault in faults:
        yield "catalogue", "note" if fault.kind is FaultKind.WARNING else "fault", str(fault)
    for provider in catalog.providers:
        kind, _, place = provider.api_key.partition(":")
        if kind == "env" and not os.environ.get(place):
            yield "secrets", "note", f"{provider.name}: environment variable {place} is not set here"
        if kind == "file" and not os.access(place, os.R_OK):
            yield "secrets", "fault", f"{provider.name}: file {place} cannot be read"
