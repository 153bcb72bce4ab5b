"""puyun price export, import, diff, preview: many prices at once."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import Failure
from puyun.cli.opening import Config, Data, Json
from puyun.cli.prices import guard
from puyun.cli.prices.book import price_app
from puyun.cli.prices.guard import By, Force, Why

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from puyun.catalog.diff import Diff
    from puyun.catalog.fault import Fault
    from puyun.catalog.model import CatalogFile, Price
    from puyun.kit.clock import Instant
    from puyun.pricing.proposal import Effect, Impact

DAYS = 30

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Prices as CSV (see `export`), or a catalogue file (.toml); - reads stdin."),
]


@price_app.command("export")
def price_export(*, data: Data = None, config: Config = None) -> None:
    """Print the prices in force and those announced as CSV, always the same bytes for the same prices."""
    from puyun.pricing.sheet import to_csv
    from puyun.storage.catalog import load_catalog
    from puyun.system.clock import SystemClock

    with opening.reading(data, config) as connection:
        catalog = load_catalog(connection, SystemClock().now())
    sys.stdout.write(to_csv(catalog.prices))


@price_app.command("import")
def price_import(
    file: File,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the changes without making them.")] = False,
    why: Why = "",
    by: By = "cli",
    force: Force = False,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Set the prices that a file states, all of them or none; what it does not mention stays."""
    from puyun.catalog.diff import describe
    from puyun.catalog.fault import FaultKind
    from puyun.storage.catalog import apply_diff
    from puyun.system.clock import SystemClock

    prices = _prices(file)
    now = SystemClock().now()
    settings = opening.settings(data, config)
    with opening.writing(data, config) as connection:
        changes, faults = _changes(connection, prices, now)
        _refuse_broken(str(file), faults)
        steps = [fault for fault in faults if fault.kind is FaultKind.IMPLAUSIBLE]
        guard.ask_slips([*steps, *guard.slips([step.wanted for step in changes.steps], settings, now)], force=force)
        guard.ask_notice(connection, changes.prices, settings, now, override=force and bool(why))
        if not dry_run:
            apply_diff(connection, changes, who=by, reason=why, now=now)
    lines = describe(changes)
    if as_json:
        output.emit_json({"applied": not dry_run, "changes": lines})
    else:
        for line in lines or ["Nothing to change."]:
            typer.echo(line)


@price_app.command("diff")
def price_diff(file: File, *, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Print what importing a file would change; it changes nothing."""
    from puyun.catalog.diff import describe
    from puyun.system.clock import SystemClock

    prices = _prices(file)
    with opening.reading(data, config) as connection:
        changes, faults = _changes(connection, prices, SystemClock().now())
    _refuse_broken(str(file), faults)
    lines = describe(changes)
    if as_json:
        output.emit_json({"changes": lines, "warnings": [str(fault) for fault in faults]})
        return
    for line in lines or ["Nothing to change."]:
        typer.echo(line)
    for fault in faults:
        output.say(str(fault))


@price_app.command("preview")
def price_preview(file: File, *, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Show what a file's prices would do: each meter's cost before and after, and the last 30 days rated again.

    Money is compared at the prices of this moment and at those in force once every price of the file has begun.
    """
    from puyun.kit.clock import DAY, HOUR, Instant
    from puyun.pricing.pricebook import PriceBook
    from puyun.pricing.proposal import Impact, effects, impact, most_affected, proposed
    from puyun.storage.prices import load_price_rows
    from puyun.storage.reports.consumption import consumption
    from puyun.system.clock import SystemClock

    prices = _prices(file)
    now = SystemClock().now()
    with opening.reading(data, config) as connection:
        changes, faults = _changes(connection, prices, now)
        _refuse_broken(str(file), faults)
        book = PriceBook(load_price_rows(connection))
        cells = consumption(connection, Instant(now - DAYS * DAY), Instant(now + HOUR))
        names = _names(connection)
    wanted = proposed(book, changes.prices, now)
    then = max((step.effective_from for step in changes.steps), default=now)
    impacts = impact(book, wanted, cells, now=now, then=then)
    total = sum(impacts.values(), Impact())
    shown = [_effect(effect) for effect in effects(book, wanted, changes.prices, now)]
    affected = [_impact(each, names[org]) for org, each in most_affected(impacts)]
    whole = _impact(total, "all")
    if as_json:
        document = {"changes": shown, "days": DAYS, "total": whole, "most_affected": affected}
        output.emit_json(document | {"warnings": [str(fault) for fault in faults]})
        return
    output.table(shown, {name: name for name in ("model", "tier", "meter", "from", "before", "after", "change")})
    typer.echo(f"\nThe usage of the last {DAYS} days that these prices touch, at the prices of today and of then:\n")
    columns = {"organization": "organization", "charged": "charged", "before": "today", "after": "then"}
    output.table([whole, *affected], columns | {"difference": "difference", "change": "change"})
    for fault in faults:
        output.say(str(fault))


def _changes(connection: "Connection", prices: "tuple[Price, ...]", now: "Instant") -> "tuple[Diff, list[Fault]]":
    from puyun.catalog.diff import diff
    from puyun.catalog.model import CatalogFile
    from puyun.catalog.validate import check
    from puyun.storage.catalog import load_catalog

    current, wanted = load_catalog(connection, now), CatalogFile(prices=prices)
    return diff(current, wanted, now), check(wanted, current, now)


def _prices(file: Path) -> "tuple[Price, ...]":
    """What a CSV or a catalogue file says of prices; faults with their lines, exit 1."""
    from puyun.catalog.fault import CatalogErrors
    from puyun.catalog.file import parse
    from puyun.pricing.sheet import parse_csv

    text, source = parsing.text_of(file)
    try:
        if file.suffix == ".toml":
            catalog: CatalogFile = parse(text, source)
            return catalog.prices
        return parse_csv(text, source)
    except CatalogErrors as errors:
        raise _broken(source, errors.faults) from errors


def _refuse_broken(source: str, faults: "Iterable[Fault]") -> None:
    from puyun.catalog.fault import FaultKind

    if broken := [fault for fault in faults if fault.kind is FaultKind.BROKEN]:
        raise _broken(source, broken)


def _broken(source: str, faults: "list[Fault]") -> Failure:
    for fault in faults:
        output.say(f"{source}: {fault}")
    count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
    return Failure(f"{source} has {count}.", "Prices are set all together or not at all.", "Mend the lines above.")


def _effect(effect: "Effect") -> dict[str, object]:
    from puyun.kit.clock import format_instant
    from puyun.kit.money import format_price

    before, after = effect.before, effect.after
    return {
        "model": effect.model,
        "tier": effect.tier,
        "meter": effect.meter,
        "from": format_instant(effect.at),
        "before": None if before is None else format_price(before),
        "after": None if after is None else format_price(after),
        "change": _percent(before or 0, after or 0),
    }


def _impact(impact: "Impact", name: str) -> dict[str, object]:
    from puyun.kit.money import charge_of, format_amount

    before, after = charge_of(impact.before), charge_of(impact.after)
    return {
        "organization": name,
        "charged": format_amount(impact.charged),
        "before": format_amount(before),
        "after": format_amount(after),
        "difference": format_amount(after - before),
        "change": _percent(before, after),
    }


def _percent(before: int, after: int) -> str | None:
    """`+12.5%`, rounded down in size; None where there was nothing before."""
    if not before:
        return None
    tenths = abs(after - before) * 1000 // before
    return f"{'-' if after < before else '+'}{tenths // 10}.{tenths % 10}%"


def _names(connection: "Connection") -> dict[int, str]:
    from puyun.storage.identity import list_organizations

    return {organization.id: organization.name for organization in list_organizations(connection)}
