"""puyun serve, migrate, mock-upstream, bench: commands that run something."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from puyun.cli import opening, output
from puyun.cli.failure import Failure
from puyun.cli.opening import Config, Data, Json

SOURCE = Path(__file__).parents[3]
"""The source checkout this package lies in, if it does."""


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve, one for each core.")] = None,
    demo: Annotated[
        bool, typer.Option("--demo/--no-demo", help="Start the embedded model and a demo organization.")
    ] = True,
    data: Data = None,
    config: Config = None,
) -> None:
    """Run the gateway, the portal and the pages."""
    from puyun import wiring

    options = {"server.host": host, "server.port": port, "server.workers": workers}
    overrides: dict[str, object] = {name: value for name, value in options.items() if value is not None}
    wiring.serve(opening.settings(data, config, overrides), demo=demo)


def migrate(*, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Bring the database to this version's schema.

    Makes one if there is none. Stop the server first.
    """
    from puyun.storage.engine import open_engine
    from puyun.storage.migrate import HEAD, current, upgrade

    place = opening.settings(data, config).database_place
    if isinstance(place, Path):
        place.parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(place)
    try:
        before = current(engine)
        changed = upgrade(engine)
    finally:
        engine.dispose()
    output.emit_one({"database": opening.shown(place), "from": before, "to": HEAD, "changed": changed}, as_json=as_json)


def mock_upstream(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 9000,
    journal: Annotated[Path | None, typer.Option(help="Append what was asked and answered to this file.")] = None,
) -> None:
    """Run a mock provider, for tests and trials.

    It speaks the OpenAI dialect and always gives the same answers.
    """
    from puyun import mockupstream

    mockupstream.run(host, port, journal)


def bench(context: typer.Context) -> None:
    """Benchmark: direct, nginx, puyun in one run.

    Needs a source checkout. Options are those of `python -m bench`.
    """
    import os

    if not (SOURCE / "bench" / "__main__.py").exists():
        raise Failure(
            "There is no benchmark here.",
            "It is part of the source checkout, not of the installed package.",
            "In a checkout, run: make bench",
        )
    os.chdir(SOURCE)
    os.execv(sys.executable, [sys.executable, "-m", "bench", *context.args])  # noqa: S606 - our own interpreter, no shell
