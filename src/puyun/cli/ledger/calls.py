"""puyun refund, puyun correct: giving back what a call was charged."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import usage
from puyun.cli.ledger.options import NOBODY, By, Id, Why
from puyun.cli.opening import Config, Data, Json

if TYPE_CHECKING:
    from sqlalchemy import Connection

Request = Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The x-request-id of the call (req_…).")]


def refund(
    request: Request,
    *,
    amount: Annotated[str | None, typer.Option(help="How much, such as 0.01; all that is left by default.")] = None,
    key: Id = None,
    why: Why = "",
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give back what a call was charged.

    It goes back as it was taken, as paid money and as bonus. All refunds of a call come to at most its charge.
    """
    from puyun.ledger.command import Act
    from puyun.storage.money.refunds import refund_call
    from puyun.system.clock import SystemClock
    from puyun.system.entropy import reference

    org, call = _place(request)
    nano = None if amount is None else parsing.amount(amount)
    act = Act(key or ("all" if nano is None else reference("refund")), by, why)
    with opening.writing(data, config) as connection:
        refund_call(connection, org, call, nano, act=act, now=SystemClock().now())
        described = _described(connection, request, org, call)
    output.emit_one(described, as_json=as_json)


def correct(
    request: Request,
    charge: Annotated[str, typer.Argument(metavar="CHARGE", help="What the call should have cost, such as 0.0035.")],
    *,
    key: Annotated[
        str, typer.Option("--id", help="Which correction of the call it is; another key corrects again.")
    ] = "1",
    why: Why = "",
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Give back what a call was overcharged by a wrong price.

    What was undercharged is not collected afterwards. See what a call comes to: puyun price rerate REQUEST_ID
    """
    from puyun.ledger.command import Act
    from puyun.storage.money.refunds import correct_call
    from puyun.system.clock import SystemClock

    org, call = _place(request)
    should = parsing.amount(charge)
    with opening.writing(data, config) as connection:
        correct_call(connection, org, call, should, act=Act(key, by, why), now=SystemClock().now())
        described = _described(connection, request, org, call)
    output.emit_one(described, as_json=as_json)


def _place(request: str) -> tuple[int, int]:
    from puyun.kit.ids import parse_request_id

    try:
        return parse_request_id(request)
    except ValueError as error:
        raise usage(f"{error}.", "the x-request-id of an answer") from error


def _described(connection: "Connection", request: str, org: int, call: int) -> dict[str, object]:
    from puyun.kit.money import format_amount
    from puyun.storage.money.refunds import list_refunds, load_charged
    from puyun.storage.wallets import load_wallet

    charged = load_charged(connection, org, call)
    wallet = load_wallet(connection, org)
    return {
        "request": request,
        "charge": format_amount(charged.charge),
        "returned": format_amount(charged.returned),
        "returned_bonus": format_amount(charged.returned_bonus),
        "transactions": [row.number for row in list_refunds(connection, org, call)],
        "currency": wallet.currency,
        "balance": format_amount(wallet.balance),
        "available": format_amount(wallet.available),
    }
