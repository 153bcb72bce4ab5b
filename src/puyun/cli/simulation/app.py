"""puyun simulate …: the shipped rules on a virtual clock, on recorded or made-up traffic."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from puyun.cli import output
from puyun.cli.failure import usage
from puyun.cli.opening import Json
from puyun.cli.simulation.tiers import tiers

simulate_app = typer.Typer(
    name="simulate", help="Try the rules on recorded or made-up traffic.", no_args_is_help=True, rich_markup_mode=None
)

COLUMNS = {
    "policy": "policy",
    "calls": "calls",
    "cut": "cut",
    "refused": "refused",
    "ratio_p50": "hold/charge p50",
    "ratio_p95": "p95",
    "growths": "growths a call",
    "false_402": "wrongly refused",
    "absorbed": "absorbed",
}


@simulate_app.command()
def holds(
    *,
    trace: Annotated[
        Path | None,
        typer.Option(help="CSV: TIMESTAMP, ContextTokens, GeneratedTokens. Default: made up from the seed."),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 1,
    calls: Annotated[int, typer.Option(min=1, max=1_000_000, help="Calls to make up.")] = 20_000,
    as_json: Json = False,
) -> None:
    """Replay traffic against the ledger: how tight holds are, how often they grow, whom they refuse wrongly.

    `steps` is what the server does; `full` holds for all that a call may come to from its start.
    """
    from puyun.sim.holds import replay
    from puyun.sim.trace import dressed, recorded, synthetic

    if trace is None:
        arrivals = synthetic(seed, calls)
    else:
        try:
            arrivals = recorded(trace.read_text("utf-8").splitlines())
        except (KeyError, ValueError) as error:
            raise usage(
                f"{trace} is no trace: {error}.", "a CSV with TIMESTAMP, ContextTokens, GeneratedTokens"
            ) from None
    asked = dressed(arrivals, seed)
    rows = [replay(asked, tight=tight)._asdict() for tight in (True, False)]
    if as_json:
        output.emit_json(rows)
    else:
        output.table([_shown(row) for row in rows], COLUMNS)


simulate_app.command()(tiers)


def _shown(row: Mapping[str, int | str]) -> dict[str, object]:
    """Thousandths as factors, millionths as shares of a hundred."""

    def scaled(name: str, scale: int) -> str:
        return f"{int(row[name]) / scale:.2f}"

    return {
        **row,
        "ratio_p50": scaled("ratio_p50_milli", 1_000),
        "ratio_p95": scaled("ratio_p95_milli", 1_000),
        "growths": scaled("growth_mean_milli", 1_000),
        "false_402": f"{int(row['false_402_ppm']) / 10_000:.4f} %",
        "absorbed": f"{int(row['absorbed_ppm']) / 10_000:.4f} %",
    }
