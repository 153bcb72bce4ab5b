"""What many commands take (`--data`, `--config`, `--json`, ORG), and opening what they name."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli.failure import Exit, Failure, not_found

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from puyun.config import Settings
    from puyun.identity.model import ApiKey, Organization

Data = Annotated[
    Path | None, typer.Option("--data", envvar="PUYUN_DATA", help="Data directory; ./puyun-data by default.")
]
Config = Annotated[
    Path | None, typer.Option("--config", envvar="PUYUN_CONFIG", help="Settings file; ./puyun.toml if there is one.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Org = Annotated[str, typer.Argument(metavar="ORG", help="Name or id of the organization.")]

DEFAULT_DATA = Path("puyun-data")
DEFAULT_CONFIG = Path("puyun.toml")


def settings(data: Path | None, config: Path | None, overrides: dict[str, object] | None = None) -> "Settings":
    """File, environment and options together."""
    from puyun.config import load

    if config is None and DEFAULT_CONFIG.exists():
        config = DEFAULT_CONFIG
    return load(config, os.environ, overrides or {}, data=(data or DEFAULT_DATA))


@contextmanager
def database(data: Path | None, config: Path | None, *, create: bool = False) -> Generator["Engine"]:
    """The database, at the schema this version speaks. Only commands that put something in make a new one."""
    from puyun.storage.engine import open_engine
    from puyun.storage.migrate import HEAD, current, upgrade

    place = settings(data, config).database_place
    if isinstance(place, Path):
        if not place.exists() and not create:
            raise Failure(
                f"There is no database at {place}.",
                "The data directory is --data, PUYUN_DATA or ./puyun-data.",
                "Name the right one with --data, or start a new one: puyun serve",
                Exit.NOT_FOUND,
            )
        place.parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(place)
    try:
        version = current(engine)
        if version is None and create:
            upgrade(engine)
            version = current(engine)
        if version != HEAD:
            raise Failure(
                f"The database at {shown(place)} is at schema {version or 'nothing'}, this version needs {HEAD}.",
                "Commands other than `serve` and `migrate` never change a schema.",
                "puyun migrate",
            )
        yield engine
    finally:
        engine.dispose()


def exists(data: Path | None, config: Path | None) -> bool:
    """Whether there is a database to read, of whatever version."""
    place = settings(data, config).database_place
    return not isinstance(place, Path) or place.exists()


def shown(place: Path | str) -> str:
    """Where the database is, for people: without a password."""
    from sqlalchemy import make_url

    return str(place) if isinstance(place, Path) else make_url(place).render_as_string(hide_password=True)


@contextmanager
def reading(data: Path | None, config: Path | None) -> Generator["Connection"]:
    """One consistent view of an existing database."""
    from puyun.storage import engine as storage

    with database(data, config) as engine, storage.reading(engine) as connection:
        yield connection


@contextmanager
def writing(data: Path | None, config: Path | None, *, create: bool = False) -> Generator["Connection"]:
    """One transaction; a running server notices what it changed."""
    from puyun.storage import engine as storage

    with database(data, config, create=create) as engine, storage.writing(engine) as connection:
        yield connection


def organization(connection: "Connection", name_or_id: str) -> "Organization":
    """The one that a person named, or exit 3."""
    from puyun.storage.identity import find_organization

    found = find_organization(connection, name_or_id)
    if found is None:
        raise not_found("organization", name_or_id, "See them: puyun org list")
    return found


def key(connection: "Connection", text: str, why: str, org: "Organization | None" = None) -> "ApiKey":
    """The one that a person named by its id or how it begins, of one organization or of all, or exit 3.

    Exit 1 where several begin so; `why` is the sentence that says why it must be one.
    """
    from puyun.kit.ids import format_id
    from puyun.storage.identity import find_keys

    found = [each for each in find_keys(connection, text) if org is None or each.org == org.id]
    if not found:
        shown = f"{text[:13]}…" if len(text) > 13 and text.startswith("sk-") else text
        raise not_found("key", shown, "See them: puyun key list" + (f" --org {org.name!r}" if org else ""))
    if len(found) > 1:
        ids = ", ".join(format_id("key", each.id) for each in found)
        raise Failure(f"{len(found)} keys begin with {text!r}.", why, f"Name one of {ids}.")
    return found[0]


def member(connection: "Connection", org: "Organization", email: str) -> int:
    """The number of the user whom a person named, or exit 3."""
    from puyun.storage.identity import list_members

    members = {user.email: user.id for user, _ in list_members(connection, org.id)}
    if email.lower() not in members:
        raise not_found("member", email, f"puyun user create {email} --org {org.name!r}")
    return members[email.lower()]
