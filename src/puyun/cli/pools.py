"""puyun pools …: the seats there are, and how many a contract needs."""

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output
from puyun.cli.failure import Failure, not_found, usage
from puyun.cli.opening import Config, Data, Json

if TYPE_CHECKING:
    from pathlib import Path

    from puyun.catalog.model import CatalogFile
    from puyun.planning.pool import Capacity, Load, Plan

pools_app = typer.Typer(
    help="Seats: what there is by pool, and what a contract needs.", invoke_without_command=True, rich_markup_mode=None
)

COLUMNS = {
    "pool": "pool",
    "deployment": "deployment",
    "models": "models",
    "seats": "seats",
    "rpm": "requests/min",
    "itpm": "input tokens/min",
    "otpm": "output tokens/min",
}

_UNITS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "": 1_000_000}


@pools_app.callback()
def group(context: typer.Context, *, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """List the pools, where no other command is named."""
    if context.invoked_subcommand is None:
        pools_list(data=data, config=config, as_json=as_json)


@pools_app.command("list")
def pools_list(*, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """List pools and their deployments with seats and limits, as the catalogue states them."""
    catalog = _catalog(data, config)
    models: defaultdict[str, list[str]] = defaultdict(list)
    for model in catalog.models:
        for name in model.deployments:
            models[name].append(model.name)
    rows = [
        {
            "pool": each.pool,
            "deployment": each.name,
            "models": models[each.name],
            "seats": each.seats,
            "rpm": each.rpm,
            "itpm": each.itpm,
            "otpm": each.otpm,
        }
        for each in sorted(catalog.deployments, key=lambda each: (_rank(each.pool), each.name))
    ]
    output.emit(rows, COLUMNS, as_json=as_json)


@pools_app.command("plan")
def pools_plan(
    *,
    peak_rpm: Annotated[float, typer.Option(min=0, help="Calls a minute at the contract's peak.")],
    seconds: Annotated[float, typer.Option(min=0, help="How long a call keeps its seat, on average.")],
    wait: Annotated[str, typer.Option(help="The longest wait that is promised, such as 250ms.")] = "250ms",
    percent: Annotated[float, typer.Option(min=0, max=100, help="Of how many calls of a hundred.")] = 99.0,
    seats: Annotated[
        int | None, typer.Option(min=0, help="Seats there are to sell from; those of the catalogue by default.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Count this model's deployments alone.")] = None,
    flex_rpm: Annotated[float | None, typer.Option(min=0, help="Flex's own calls a minute at its peak.")] = None,
    flex_seconds: Annotated[
        float | None, typer.Option(min=0, help="How long those keep their seats; --seconds by default.")
    ] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Size a dedicated pool, and refuse to sell what is not there.

    The pool gets the fewest seats with which --percent of the calls at the peak wait at most --wait (Erlang C). Exit 1
    if Enterprise's pools would need more seats than there are, or if 95 % of Flex's calls could no longer be promised a
    wait of at most 5 s on the seats that stay its own.
    """
    from puyun.planning import pool

    capacity = pool.Capacity(seats) if seats is not None else _capacity(_catalog(data, config), model)
    flex: Load | None = None
    if flex_rpm is not None:
        mean = seconds if flex_seconds is None else flex_seconds
        flex = pool.Load(flex_rpm, round(mean * 1_000_000))
    promise = pool.Promise(_duration(wait), percent / 100)
    try:
        plan = pool.plan(pool.Load(peak_rpm, round(seconds * 1_000_000)), promise, capacity, flex)
    except ValueError as error:
        raise usage(f"{error}.", "a time above zero, a share below 100 %, and at most 100,000 calls at once") from None
    output.emit_one(_shown(plan, capacity, flex, people=not as_json), as_json=as_json)
    if not plan.sold:
        raise Failure(
            "This pool is not to be sold.",
            f"{plan.refusal}.",
            "Add seats (deployments of the catalogue), or agree on a lower peak or a longer wait.",
        )


def _capacity(catalog: "CatalogFile", model: str | None) -> "Capacity":
    from puyun.planning.pool import Capacity

    counted = catalog.deployments
    if model is not None:
        found = next((each for each in catalog.models if each.name == model), None)
        if found is None:
            raise not_found("model", model, "See them: puyun catalog export")
        counted = tuple(each for each in counted if each.name in found.deployments)
    return Capacity(
        seats=sum(each.seats for each in counted),
        taken=sum(each.seats for each in counted if each.pool != "shared"),
    )


def _catalog(data: "Path | None", config: "Path | None") -> "CatalogFile":
    from puyun.storage.catalog import load_catalog
    from puyun.system.clock import SystemClock

    with opening.reading(data, config) as connection:
        return load_catalog(connection, SystemClock().now())


def _rank(pool: str) -> tuple[int, str]:
    return (("shared", "enterprise").index(pool) if pool in {"shared", "enterprise"} else 2, pool)


def _shown(plan: "Plan", capacity: "Capacity", flex: "Load | None", *, people: bool) -> dict[str, object]:
    """Shares and times in words for people; as numbers, in millionths and milliseconds, for programs."""

    def share(value: float) -> object:
        return f"{value * 100:.2f} %" if people else round(value * 1_000_000)

    def suffix(name: str, unit: str) -> str:
        return name if people else f"{name}_{unit}"

    wait = None if plan.flex_wait is None else plan.flex_wait // 1_000
    spoken = "not checked: --flex-rpm is not given" if flex is None else "without end" if wait is None else f"{wait} ms"
    return {
        "seats": plan.seats,
        suffix("busy_on_average", "milli"): f"{plan.load:.1f} seats" if people else round(plan.load * 1_000),
        suffix("wait_at_all", "ppm"): share(plan.waiting),
        suffix("wait_longer", "ppm"): share(plan.late),
        "seats_there_are": capacity.seats,
        "enterprise_has": capacity.taken,
        "shared_then": plan.left,
        "flex_guaranteed": plan.flex_seats,
        suffix("flex_wait_p95", "ms"): spoken if people else wait,
        **({} if people else {"sold": plan.sold, "refusal": plan.refusal or None}),
    }


def _duration(text: str) -> int:
    """Microseconds of `250ms`, `1.5s`, `2`, `1m`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|)", text.strip())
    if found is None:
        raise usage(f"{text!r} is no time.", "a time such as 250ms or 1.5s")
    return round(float(found[1]) * _UNITS[found[2]])
