"""puyun limits requests, grant, decline: higher limits that members asked for in the portal."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output
from puyun.cli.limits import shown, typed
from puyun.cli.limits.effective import limits_app
from puyun.cli.limits.typed import By, End, Why
from puyun.cli.opening import Config, Data, Json

if TYPE_CHECKING:
    from puyun.storage.limits.wishes import Wish

MOST = 1000

Number = Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="As `puyun limits requests` lists it.")]

_COLUMNS = ("number", "organization", "by", "tier", "model", "metric", "wanted", "asked", "why")
_ANSWERED = ("answered", "granted", "answer")


@limits_app.command("requests")
def limits_requests(
    *,
    every: Annotated[bool, typer.Option("--all", help="Answered ones too.")] = False,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Higher limits that members asked for and that nobody answered yet, the newest first."""
    from puyun.storage.limits.wishes import list_wishes

    with opening.reading(data, config) as connection:
        rows = [_row(wish) for wish in list_wishes(connection, MOST, answered=every)]
    output.emit(rows, shown.columns(_COLUMNS + (_ANSWERED if every else ())), as_json=as_json)


@limits_app.command("grant")
def limits_grant(
    number: Number,
    *,
    amount: Annotated[str | None, typer.Option(help="Another limit than the one asked for.")] = None,
    end: End = None,
    why: Why = "",
    by: By = "cli",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Set the limit that a request asks for; the member sees the answer, a running server follows within two seconds."""
    from puyun.storage.limits.rules import Change
    from puyun.storage.limits.wishes import grant_wish
    from puyun.system.clock import SystemClock

    now = SystemClock().now()
    _, ends = typed.dates(None, end, now)
    wanted = None if amount is None else typed.whole(amount)
    with opening.writing(data, config) as connection:
        rule = grant_wish(connection, number, Change(by=by, why=why, ends=ends), now, amount=wanted)
    output.emit_one(shown.rule_row(rule), as_json=as_json)


@limits_app.command("decline")
def limits_decline(
    number: Number,
    *,
    why: Annotated[str, typer.Option(help="What the member is told.")],
    by: By = "cli",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Answer a request without changing a limit."""
    from puyun.storage.limits.rules import Change
    from puyun.storage.limits.wishes import decline_wish
    from puyun.system.clock import SystemClock

    with opening.writing(data, config) as connection:
        wish = decline_wish(connection, number, Change(by=by, why=why), SystemClock().now())
    output.emit_one(_row(wish), as_json=as_json)


def _row(wish: "Wish") -> dict[str, object]:
    from puyun.kit.clock import format_instant

    wanted, answer = wish.wanted, wish.answer
    return {
        "number": wish.id,
        "organization": wish.organization,
        "by": wish.email,
        "tier": wanted.tier,
        "model": wanted.model or "all",
        "metric": wanted.metric,
        "wanted": wanted.amount,
        "asked": format_instant(wish.asked_at),
        "why": wanted.why,
        "answered": None if answer is None else format_instant(answer.at),
        "granted": None if answer is None else answer.granted,
        "answer": None if answer is None else answer.text,
    }
