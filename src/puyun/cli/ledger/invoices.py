"""puyun invoice …: organizations that pay afterwards, within a credit limit."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.ledger.options import NOBODY, By, Why, act
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from puyun.storage.money.invoices import InvoiceRow

invoice_app = typer.Typer(no_args_is_help=True, help="Invoices of organizations with a credit limit.")

Number = Annotated[int, typer.Argument(metavar="INVOICE", help="Its number.")]


@invoice_app.command("issue")
def invoice_issue(
    org: Org,
    *,
    amount: Annotated[str | None, typer.Option(help="How much; all that is owed by default.")] = None,
    due: Annotated[str | None, typer.Option(help="Until when it is to be paid (UTC).")] = None,
    key: Annotated[
        str | None,
        typer.Option("--id", help="Idempotency key, such as 2026-11: repeating the command changes nothing."),
    ] = None,
    why: Why = "",
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Ask for what a wallet is below zero. The number has no gap to the one before."""
    from puyun.storage.money.invoices import issue_invoice
    from puyun.system.clock import SystemClock

    nano = None if amount is None else parsing.amount(amount)
    ends = parsing.optional_instant(due)
    given = act(key, "invoice", by=by, why=why)
    with opening.writing(data, config) as connection:
        found = opening.organization(connection, org)
        row = issue_invoice(connection, found.id, nano, due_at=ends, act=given, now=SystemClock().now())
    output.emit_one(_described(row), as_json=as_json)


@invoice_app.command("pay")
def invoice_pay(
    number: Number,
    *,
    bank: Annotated[str, typer.Option(help="Which bank account the money came to.")] = "main",
    payment: Annotated[str, typer.Option(help="The payment's id, for the journal.")] = "",
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Its money came in; that much is available again."""
    from puyun.ledger.command import Act
    from puyun.storage.money.invoices import pay_invoice
    from puyun.system.clock import SystemClock

    with opening.writing(data, config) as connection:
        row = pay_invoice(connection, number, bank, act=Act(payment, by), now=SystemClock().now())
    output.emit_one(_described(row), as_json=as_json)


@invoice_app.command("write-off")
def invoice_write_off(
    number: Number,
    *,
    approved_by: Annotated[str, typer.Option(help="The second person, who agreed.")],
    why: Why = "",
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """It will not be paid. It takes two persons."""
    from puyun.ledger.command import Act
    from puyun.storage.money.invoices import write_off_invoice
    from puyun.system.clock import SystemClock

    with opening.writing(data, config) as connection:
        row = write_off_invoice(connection, number, approved_by, act=Act("", by, why), now=SystemClock().now())
    output.emit_one(_described(row), as_json=as_json)


@invoice_app.command("list")
def invoice_list(
    *,
    org: Annotated[str | None, typer.Option("--org", help="Only of this organization.")] = None,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Invoices, the newest first."""
    from puyun.storage.money.invoices import list_invoices

    with opening.reading(data, config) as connection:
        only = None if org is None else opening.organization(connection, org).id
        rows = [_described(row) for row in list_invoices(connection, only)]
    columns = ("invoice", "organization", "amount", "state", "issued", "due", "ended")
    output.emit(rows, {column: column for column in columns}, as_json=as_json)


def _described(row: "InvoiceRow") -> dict[str, object]:
    from puyun.kit.clock import format_instant
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount

    return {
        "invoice": row.number,
        "organization": format_id("org", row.org),
        "id": row.ref,
        "amount": format_amount(row.amount),
        "state": row.state,
        "issued": format_instant(row.issued_at),
        "due": None if row.due_at is None else format_instant(row.due_at),
        "ended": None if row.ended_at is None else format_instant(row.ended_at),
    }
