"""puyun sla: how well an organization was served in a month, from the same records that it sees."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output
from puyun.cli.failure import usage
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from puyun.storage.service.levels import ModelLevel

sla_app = typer.Typer(no_args_is_help=True, help="Service levels: availability, waits and speed, by model and tier.")


@sla_app.command("report")
def sla_report(
    org: Org,
    *,
    month: Annotated[str, typer.Option(help="Calendar month (UTC), such as 2026-11.")],
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """A month of one organization, by model and tier: valid calls, bad ones by cause, waits and times.

    A call counts in the five minutes in which it ended; docs/concepts/service-levels.md says what counts. Waits and times
    are quantiles, within a tenth; what is counted, and every percentage, is exact.
    """
    from puyun.pricing.statement import parse_month
    from puyun.storage.engine import reading
    from puyun.storage.service.adding import add_all_up
    from puyun.storage.service.levels import levels_of
    from puyun.system.clock import SystemClock

    try:
        period = parse_month(month)
    except ValueError as error:
        raise usage(f"{month!r} is no month.", "one such as 2026-11") from error
    if period.start > SystemClock().now():
        raise usage(f"{month} has not begun.", "this month or one before it")
    with opening.database(data, config) as engine:
        with reading(engine) as connection:
            found = opening.organization(connection, org)
        add_all_up(engine)
        with reading(engine) as connection:
            rows = [_row(each) for each in levels_of(connection, found.id, period.start, period.end)]
    if as_json:
        output.emit_json({"organization": found.name, "month": month, "levels": rows})
        return
    output.say(f"{month} of {found.name}: {len(rows)} offers were called")
    output.table(
        [row | {"bad": row["bad"] or None} for row in rows], {name: name.replace("_", " ") for name in _COLUMNS}
    )


_COLUMNS = (
    "model",
    "tier",
    "calls",
    "bad",
    "available",
    "waits_kept",
    "wait_p50_ms",
    "wait_p99_ms",
    "first_token_p50_ms",
)


def _row(each: "ModelLevel") -> dict[str, object]:
    """Percentages and speeds as decimal strings, times in milliseconds."""
    from puyun.service.histogram import Kind

    level = each.level

    def milliseconds(kind: Kind, part: int) -> int | None:
        value = level.at(kind, part)
        return None if value is None else (value + 500) // 1000

    speed = level.at(Kind.SPEED, 500)
    return {
        "model": each.model,
        "tier": each.tier,
        "calls": level.calls,
        "good": level.good,
        "bad": {cause: count for cause, count in level.bad.items() if count},
        "available": _percent(level.availability),
        "refused": level.counts["refused"],
        "gone": level.counts["gone"],
        "waits": level.counts["waits"],
        "waits_kept": _percent(level.waits_kept),
        "wait_p50_ms": milliseconds(Kind.WAIT, 500),
        "wait_p95_ms": milliseconds(Kind.WAIT, 950),
        "wait_p99_ms": milliseconds(Kind.WAIT, 990),
        "first_token_p50_ms": milliseconds(Kind.FIRST_TOKEN, 500),
        "first_token_p95_ms": milliseconds(Kind.FIRST_TOKEN, 950),
        "tokens_per_second_p50": None if speed is None else f"{speed // 1000}.{speed // 100 % 10}",
        "overhead_p99_us": level.at(Kind.OVERHEAD, 990),
        "overheads_kept": _percent(level.overheads_kept),
    }


def _percent(share: int | None) -> str | None:
    """Of ten-thousandths; rounded down already."""
    return None if share is None else f"{share // 100}.{share % 100:02d}"
