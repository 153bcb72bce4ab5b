"""puyun payout …, puyun chargeback …: payments that go back."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.ledger.options import NOBODY, By, Id, Why, act
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from puyun.storage.money.disputes import DisputeRow
    from puyun.storage.money.payments import Payout

payout_app = typer.Typer(no_args_is_help=True, help="Paid money back to who paid it.")
chargeback_app = typer.Typer(no_args_is_help=True, help="Payments that the payer called back.")

Processor = Annotated[str, typer.Option(help="Who took the payment; `manual` is the operator.")]
Number = Annotated[int, typer.Argument(metavar="PAYOUT", help="Its id, as `puyun payout list` shows it.")]
DisputeId = Annotated[str, typer.Argument(metavar="DISPUTE", help="The processor's id of the dispute.")]
OnlyOrg = Annotated[str | None, typer.Option("--org", help="Only of this organization.")]


@payout_app.command("ask")
def payout_ask(
    org: Org,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In the wallet's currency, such as 5.00.")],
    *,
    processor: Processor = "manual",
    key: Id = None,
    why: Why = "",
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Put paid money aside that is to go back the way it came.

    Never bonus, and no more than came that way. It is held until `puyun payout pay` or `puyun payout cancel`.
    """
    from puyun.storage.money.payments import ask_payout
    from puyun.system.clock import SystemClock

    nano = parsing.amount(amount)
    given = act(key, "payout", by=by, why=why)
    with opening.writing(data, config) as connection:
        found = opening.organization(connection, org)
        row = ask_payout(connection, found.id, nano, processor, act=given, now=SystemClock().now())
    output.emit_one(_payout(row), as_json=as_json)


@payout_app.command("pay")
def payout_pay(
    payout: Number, *, by: By = NOBODY, data: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """The money went out: take it from the wallet."""
    _end_payout(payout, by, data, config, paid=True, as_json=as_json)


@payout_app.command("cancel")
def payout_cancel(
    payout: Number, *, by: By = NOBODY, data: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """The money stays: it is available again."""
    _end_payout(payout, by, data, config, paid=False, as_json=as_json)


@payout_app.command("list")
def payout_list(*, org: OnlyOrg = None, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Payouts, the newest first."""
    from puyun.storage.money.payments import list_payouts

    with opening.reading(data, config) as connection:
        only = None if org is None else opening.organization(connection, org).id
        rows = [_payout(row) for row in list_payouts(connection, only)]
    columns = ("payout", "organization", "amount", "processor", "state", "why", "created", "ended")
    output.emit(rows, {column: column for column in columns}, as_json=as_json)


@chargeback_app.command("open")
def chargeback_open(
    org: Org,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="What was called back, such as 5.00.")],
    dispute: DisputeId,
    *,
    fee: Annotated[str, typer.Option(help="What the processor charges us for it.")] = "0",
    processor: Processor = "manual",
    why: Why = "",
    by: By = NOBODY,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take a payment back and freeze the wallet.

    What the wallet does not cover becomes a debt; the wallet does not go below zero.
    """
    from puyun.ledger.acts.dispute import Dispute
    from puyun.ledger.command import Act
    from puyun.storage.money.disputes import open_dispute
    from puyun.system.clock import SystemClock

    nano, cost = parsing.amount(amount), parsing.amount(fee)
    with opening.writing(data, config) as connection:
        found = opening.organization(connection, org)
        asked = Dispute(org=found.id, amount=nano, processor=processor, fee=cost)
        row = open_dispute(connection, asked, act=Act(dispute, by, why), now=SystemClock().now())
    output.emit_one(_dispute(row), as_json=as_json)


@chargeback_app.command("won")
def chargeback_won(
    org: Org, dispute: DisputeId, *, by: By = NOBODY, data: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """The payment stands: what was taken comes back, and the wallet thaws."""
    _end_dispute(org, dispute, by, data, config, won=True, as_json=as_json)


@chargeback_app.command("lost")
def chargeback_lost(
    org: Org, dispute: DisputeId, *, by: By = NOBODY, data: Data = None, config: Config = None, as_json: Json = False
) -> None:
    """The payment is gone: the debt is written off, and the wallet thaws."""
    _end_dispute(org, dispute, by, data, config, won=False, as_json=as_json)


@chargeback_app.command("list")
def chargeback_list(*, org: OnlyOrg = None, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Disputes, the newest first."""
    from puyun.storage.money.disputes import list_disputes

    with opening.reading(data, config) as connection:
        only = None if org is None else opening.organization(connection, org).id
        rows = [_dispute(row) for row in list_disputes(connection, only)]
    columns = ("dispute", "organization", "amount", "debt", "fee", "processor", "state", "opened", "ended")
    output.emit(rows, {column: column for column in columns}, as_json=as_json)


def _end_payout(payout: int, by: str, data: Data, config: Config, *, paid: bool, as_json: bool) -> None:
    from puyun.ledger.command import Act
    from puyun.storage.money.payments import end_payout
    from puyun.system.clock import SystemClock

    with opening.writing(data, config) as connection:
        row = end_payout(connection, payout, paid=paid, act=Act("", by), now=SystemClock().now())
    output.emit_one(_payout(row), as_json=as_json)


def _end_dispute(org: str, dispute: str, by: str, data: Data, config: Config, *, won: bool, as_json: bool) -> None:
    from puyun.ledger.command import Act
    from puyun.storage.money.disputes import end_dispute
    from puyun.system.clock import SystemClock

    with opening.writing(data, config) as connection:
        found = opening.organization(connection, org)
        row = end_dispute(connection, found.id, won=won, act=Act(dispute, by), now=SystemClock().now())
    output.emit_one(_dispute(row), as_json=as_json)


def _payout(row: "Payout") -> dict[str, object]:
    from puyun.kit.clock import format_instant
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount

    return {
        "payout": row.id,
        "organization": format_id("org", row.org),
        "id": row.ref,
        "amount": format_amount(row.amount),
        "processor": row.processor,
        "state": row.state,
        "why": row.why,
        "by": row.created_by,
        "created": format_instant(row.created_at),
        "ended": None if row.ended_at is None else format_instant(row.ended_at),
    }


def _dispute(row: "DisputeRow") -> dict[str, object]:
    from puyun.kit.clock import format_instant
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount

    return {
        "dispute": row.ref,
        "organization": format_id("org", row.org),
        "amount": format_amount(row.amount),
        "debt": format_amount(row.debt),
        "fee": format_amount(row.fee),
        "processor": row.processor,
        "state": row.state,
        "opened": format_instant(row.opened_at),
        "ended": None if row.ended_at is None else format_instant(row.ended_at),
    }
