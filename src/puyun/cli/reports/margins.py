"""puyun margin: what is left after what providers ask."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import usage
from puyun.cli.opening import Config, Data, Json

if TYPE_CHECKING:
    from puyun.pricing.margin import Margin


def margin(
    *,
    by: Annotated[str, typer.Option(help="model, tier, day, deployment or org.")] = "model",
    start: Annotated[str | None, typer.Option("--from", help="Begin (UTC); 30 days ago by default.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End (UTC); now by default.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Set charges against what providers ask for the same tokens (`[[costs]]` of the catalogue file).

    `uncosted` are calls whose cost is not known; they are in the charge and not in the cost.
    """
    from puyun.kit.clock import DAY, Instant, format_instant
    from puyun.pricing.margin import total
    from puyun.storage.reports.margins import Facet, margins
    from puyun.system.clock import SystemClock

    if by not in set(Facet):
        raise usage(f"Margins are not grouped by {by!r}.", "model, tier, day, deployment or org")
    last = parsing.optional_instant(end) or SystemClock().now()
    first = parsing.optional_instant(start) or Instant(last - 30 * DAY)
    with opening.reading(data, config) as connection:
        found = margins(connection, Facet(by), first, last)
    rows, whole = [_row(each) for each in found], _row(total(found))
    if as_csv:
        output.emit_csv(rows, whole)
    elif as_json:
        period = {"by": by, "from": format_instant(first), "to": format_instant(last)}
        output.emit_json(period | {"rows": rows, "total": whole})
    else:
        output.table([*rows, whole], {name: name.replace("_", " ") for name in whole} | {"label": by})


def _row(each: "Margin") -> dict[str, object]:
    from puyun.kit.money import format_amount

    permille = each.permille
    sign = "-" if (permille or 0) < 0 else ""
    return {
        "label": each.label,
        "calls": each.calls,
        "charge": format_amount(each.charge),
        "from_bonus": format_amount(each.from_bonus),
        "cost": format_amount(each.cost),
        "margin": format_amount(each.margin),
        "percent": None if permille is None else f"{sign}{abs(permille) // 10}.{abs(permille) % 10}",
        "uncosted": each.uncosted,
    }
