"""puyun catalog …"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import Exit, Failure
from puyun.cli.opening import Config, Data, Json
from puyun.cli.prices import guard

if TYPE_CHECKING:
    from collections.abc import Iterable

    from puyun.catalog.fault import Fault
    from puyun.catalog.model import CatalogFile
    from puyun.kit.clock import Instant

catalog_app = typer.Typer(no_args_is_help=True, help="What is sold: providers, deployments, models, prices.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="Catalogue file (TOML); - reads stdin.")]
Force = Annotated[bool, typer.Option("--force", help="Accept prices that change by more than ten times.")]


@catalog_app.command("apply")
def catalog_apply(
    file: File,
    *,
    force: Force = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the changes without making them.")] = False,
    why: Annotated[str, typer.Option(help="Reason, kept with new prices.")] = "",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make the catalogue what the file says, all of it or nothing; what the file does not mention stays."""
    from puyun.catalog.diff import describe, diff
    from puyun.catalog.fault import FaultKind, refusals
    from puyun.storage.catalog import apply_diff, load_catalog
    from puyun.system.clock import SystemClock

    text, source = parsing.text_of(file)
    wanted = _parsed(text, source)
    now = SystemClock().now()
    settings = opening.settings(data, config)
    with opening.writing(data, config, create=True) as connection:
        current = load_catalog(connection, now)
        faults = _checked(text, wanted, current, now)
        if refused := refusals(faults, force=force):
            raise _broken(source, refused)
        changes = diff(current, wanted, now)
        faults += guard.slips([step.wanted for step in changes.steps], settings, now)
        guard.ask_notice(connection, changes.prices, settings, now, override=force and bool(why))
        if not dry_run:
            apply_diff(connection, changes, who="cli", reason=why, now=now)
    lines = describe(changes)
    for fault in faults:
        if fault.kind is not FaultKind.BROKEN:
            output.say(f"{source}: {fault}")
    if as_json:
        output.emit_json({"applied": not dry_run, "changes": lines, "warnings": [str(fault) for fault in faults]})
    else:
        for line in lines or ["Nothing to change."]:
            typer.echo(line)


@catalog_app.command("check")
def catalog_check(file: File, *, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Look for every fault of a file without applying it; exit 6 if it would be refused."""
    from puyun.catalog.fault import CatalogErrors, FaultKind
    from puyun.catalog.file import parse
    from puyun.storage.catalog import load_catalog
    from puyun.system.clock import SystemClock

    text, source = parsing.text_of(file)
    now = SystemClock().now()
    current: CatalogFile | None = None
    if opening.exists(data, config):
        with opening.reading(data, config) as connection:
            current = load_catalog(connection, now)
    try:
        faults: Iterable[Fault] = _checked(text, parse(text, source), current, now)
    except CatalogErrors as errors:
        faults = errors.faults
    rows: list[dict[str, object]] = [
        {"line": fault.line, "where": fault.where, "kind": fault.kind, "message": fault.message} for fault in faults
    ]
    if as_json:
        output.emit_json({"file": source, "faults": rows})
    else:
        for fault in faults:
            typer.echo(f"{source}: {fault.kind}: {fault}")
        if not rows:
            typer.echo(f"{source}: no faults.")
    if any(fault.kind is not FaultKind.WARNING for fault in faults):
        raise typer.Exit(Exit.FAULTS)


@catalog_app.command("export")
def catalog_export(*, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Print the catalogue as a file that `apply` reads: prices in force and announced, no secrets."""
    from puyun.catalog.export import to_toml
    from puyun.storage.catalog import load_catalog
    from puyun.system.clock import SystemClock

    now = SystemClock().now()
    with opening.reading(data, config) as connection:
        catalog = load_catalog(connection, now)
    if as_json:
        output.emit_json(catalog)
    else:
        typer.echo(to_toml(catalog), nl=False)


@catalog_app.command("import-prices")
def catalog_import_prices(
    *,
    markup: Annotated[
        str, typer.Option(help="What each tier costs, as a multiple of the provider's own price.")
    ] = "test=0.9,flex=1.0,enterprise=1.15",
    target: Annotated[Path | None, typer.Option("--output", help="Write to this file instead of stdout.")] = None,
) -> None:
    """Print a starter catalogue of the mainstream models from public price data, to be read, edited and applied."""
    from puyun.integrations.genai_prices import starter_toml
    from puyun.system.clock import SystemClock

    text = starter_toml(markup, SystemClock().now())
    if target is None:
        typer.echo(text, nl=False)
    else:
        target.write_text(text, "utf-8")
        output.say(f"Written to {target}. Next: puyun catalog check {target}")


def _parsed(text: str, source: str) -> "CatalogFile":
    from puyun.catalog.fault import CatalogErrors
    from puyun.catalog.file import parse

    try:
        return parse(text, source)
    except CatalogErrors as errors:
        raise _broken(source, errors.faults) from errors


def _checked(text: str, file: "CatalogFile", current: "CatalogFile | None", now: "Instant") -> "list[Fault]":
    from puyun.catalog.file import locate
    from puyun.catalog.validate import check

    return locate(text, check(file, current, now))


def _broken(source: str, faults: "list[Fault]") -> Failure:
    for fault in faults:
        output.say(f"{source}: {fault}")
    count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
    return Failure(
        f"{source} has {count} and was not applied.",
        "A file is applied as a whole or not at all.",
        "Mend the lines above and apply it again.",
    )
