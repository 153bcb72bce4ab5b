"""puyun reconcile …: our records against an outside party's."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import Exit, Failure
from puyun.cli.opening import Config, Data, Json

if TYPE_CHECKING:
    from puyun.pricing.reconciliation import Bill, Comparison

reconcile_app = typer.Typer(no_args_is_help=True, help="Our records against an outside party's.")


@reconcile_app.command("provider")
def reconcile_provider(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV: date, model, input_tokens, output_tokens, cost; - reads stdin.")
    ],
    *,
    provider: Annotated[
        str | None, typer.Option(help="Whose bill it is: all of its models are compared, also those the bill lacks.")
    ] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Compare a provider's usage export with our records, by model and day (UTC); exit 6 above 0.5 % unexplained.

    Differences are put down to calls that were cancelled, failed attempts, missing usage and caches as far as these go.
    """
    from puyun.pricing.reconciliation import compare
    from puyun.storage.reports.reconciliation import recorded_usage

    bills = _bills(file)
    days = [bill.day for bill in bills]
    with opening.reading(data, config) as connection:
        models = {bill.model for bill in bills}
        ours = recorded_usage(connection, min(days), max(days), provider=provider, models=models)
    found = compare(bills, ours)
    alarming = [each for each in found if each.alarming]
    rows = [row for each in found for row in _rows(each)]
    if as_json:
        document = {"provider": provider, "tolerance_percent": "0.5", "agrees": not alarming, "rows": rows}
        output.emit_json(document)
    else:
        columns = ("date", "model", "of", "ours", "theirs", "difference", "causes", "unexplained", "percent", "alarm")
        output.table(rows, {column: column for column in columns})
        typer.echo(f"\n{len(found)} days and models, {len(alarming)} beyond 0.5 %.")
    if alarming:
        raise typer.Exit(Exit.FAULTS)


def _bills(file: Path) -> "list[Bill]":
    from puyun.catalog.fault import CatalogErrors
    from puyun.pricing.reconciliation import parse_bill

    text, source = parsing.text_of(file)
    try:
        return parse_bill(text, source)
    except CatalogErrors as errors:
        for fault in errors.faults:
            output.say(f"{source}: {fault}")
        raise Failure(
            f"{source} cannot be read as a bill.",
            "Every row counts, so none is skipped.",
            "Mend the lines above; the columns are in docs/concepts/receipts.md.",
        ) from errors


def _rows(each: "Comparison") -> list[dict[str, object]]:
    from puyun.kit.money import format_amount

    found: list[dict[str, object]] = []
    for name, measure in (("input", each.input), ("output", each.output), ("cost", each.cost)):
        if measure is None:
            continue
        shown = format_amount if name == "cost" else int
        found.append(
            {
                "date": each.date,
                "model": each.model,
                "of": name,
                "calls": each.calls,
                "ours": shown(measure.ours),
                "theirs": shown(measure.theirs),
                "difference": shown(measure.theirs - measure.ours),
                "causes": measure.causes,
                "unexplained": shown(measure.unexplained),
                "percent": _percent(measure.unexplained, measure.theirs),
                "alarm": measure.alarming and each.alarming,
            }
        )
    return found


def _percent(part: int, whole: int) -> str | None:
    """Hundredths of a percent, rounded up in size; None of nothing."""
    if not whole:
        return None
    hundredths = -(-abs(part) * 10_000 // whole)
    return f"{'-' if part < 0 else ''}{hundredths // 100}.{hundredths % 100:02d}"
