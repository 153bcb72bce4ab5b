"""puyun payment …: money that came in and says not for whom."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.ledger.options import NOBODY, By, Why
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from puyun.storage.money.unmatched import Unmatched

payment_app = typer.Typer(no_args_is_help=True, help="Payments of which nobody knows yet whom they are for.")

Processor = Annotated[str, typer.Argument(metavar="PROCESSOR", help="Who took it, such as stripe or bank.")]
PaymentId = Annotated[str, typer.Argument(metavar="PAYMENT", help="The processor's id of the payment.")]


@payment_app.command("keep")
def payment_keep(
    processor: Processor,
    payment: PaymentId,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="What came in, such as 5.00.")],
    *,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code; brand.currency by default.")] = None,
    note: Annotated[str, typer.Option(help="What the payer wrote.")] = "",
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write down a payment that names no organization. Nobody is credited until it is matched."""
    from puyun.ledger.acts.topup import Payment
    from puyun.ledger.command import Act
    from puyun.storage.money.unmatched import keep_payment
    from puyun.system.clock import SystemClock

    came = Payment(amount=parsing.amount(amount), processor=processor)
    money = currency or opening.settings(data, config).brand.currency
    with opening.writing(data, config) as connection:
        row = keep_payment(connection, came, money, act=Act(payment, by, note), now=SystemClock().now())
    output.emit_one(_described(row), as_json=as_json)


@payment_app.command("match")
def payment_match(
    processor: Processor,
    payment: PaymentId,
    org: Org,
    *,
    why: Why = "",
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Credit it to an organization, as a payment like any other."""
    from puyun.ledger.command import Act
    from puyun.storage.money.unmatched import match_payment
    from puyun.system.clock import SystemClock

    with opening.writing(data, config) as connection:
        found = opening.organization(connection, org)
        row = match_payment(connection, processor, found.id, act=Act(payment, by, why), now=SystemClock().now())
    output.emit_one(_described(row), as_json=as_json)


@payment_app.command("return")
def payment_return(
    processor: Processor,
    payment: PaymentId,
    *,
    why: Why = "",
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """It went back to who paid it."""
    from puyun.ledger.command import Act
    from puyun.storage.money.unmatched import return_payment
    from puyun.system.clock import SystemClock

    with opening.writing(data, config) as connection:
        row = return_payment(connection, processor, act=Act(payment, by, why), now=SystemClock().now())
    output.emit_one(_described(row), as_json=as_json)


@payment_app.command("list")
def payment_list(
    *,
    ended: Annotated[bool, typer.Option("--all", help="Also those that were matched or returned.")] = False,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Payments that nobody was credited for, the oldest first."""
    from puyun.storage.money.unmatched import list_unmatched

    with opening.reading(data, config) as connection:
        rows = [_described(row) for row in list_unmatched(connection, ended=ended)]
    columns = ("processor", "payment", "amount", "currency", "state", "organization", "received", "ended", "note", "by")
    output.emit(rows, {column: column for column in columns}, as_json=as_json)


def _described(row: "Unmatched") -> dict[str, object]:
    from puyun.kit.clock import format_instant
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount

    return {
        "processor": row.processor,
        "payment": row.ref,
        "amount": format_amount(row.amount),
        "currency": row.currency,
        "state": row.state,
        "organization": None if row.org is None else format_id("org", row.org),
        "received": format_instant(row.received_at),
        "ended": None if row.ended_at is None else format_instant(row.ended_at),
        "note": row.note,
        "by": row.by,
    }
