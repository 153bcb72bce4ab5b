"""puyun adjust, puyun credit …: what the operator gives, and takes back."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import usage
from puyun.cli.ledger.options import NOBODY, ApprovedBy, By, Id, Why, act, agreed
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from puyun.ledger.acts.grant import MoneyKind

credit_app = typer.Typer(no_args_is_help=True, help="Bonus in lots, and credits for promises not kept.")

KIND_HELP = "paid or bonus (spent first)."


def adjust(
    org: Org,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 5.00, or -5.00 to take.")],
    *,
    kind: Annotated[str, typer.Option(help=KIND_HELP)] = "paid",
    key: Id = None,
    why: Why = "",
    by: By = NOBODY,
    approved_by: ApprovedBy = "",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Add to a wallet or take from it, as the operator's goodwill.

    Never more than is available; who and why are kept.
    """
    from puyun.storage.money.grants import adjust as post
    from puyun.system.clock import SystemClock

    nano = parsing.amount(amount)
    given = agreed(act(key, "adjust", by=by, why=why), nano, approved_by, data, config)
    with opening.writing(data, config) as connection:
        found = opening.organization(connection, org)
        posted = post(connection, found.id, nano, kind=_kind(kind), act=given, now=SystemClock().now())
        described = {"transaction": posted.transaction, "id": given.ref} | standing(connection, found.id)
    output.emit_one(described, as_json=as_json)


@credit_app.command("sla")
def credit_sla(
    org: Org,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In the wallet's currency, such as 5.00.")],
    *,
    period: Annotated[str, typer.Option(help="What it is for, such as 2026-11.")],
    objective: Annotated[str, typer.Option(help="Which promise, such as availability.")],
    evidence: Annotated[str, typer.Option(help="What shows that it was not kept.")],
    kind: Annotated[str, typer.Option(help=KIND_HELP)] = "bonus",
    by: By = NOBODY,
    approved_by: ApprovedBy = "",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Credit a promise that was not kept, once for each period and objective."""
    from puyun.ledger.command import Act
    from puyun.storage.money.grants import give_sla_credit
    from puyun.system.clock import SystemClock

    nano = parsing.amount(amount)
    given = agreed(Act(period, by, evidence), nano, approved_by, data, config)
    with opening.writing(data, config) as connection:
        found = opening.organization(connection, org)
        posted = give_sla_credit(
            connection, found.id, nano, kind=_kind(kind), objective=objective, act=given, now=SystemClock().now()
        )
        described = {"transaction": posted.transaction} | standing(connection, found.id)
    output.emit_one(described, as_json=as_json)


@credit_app.command("list")
def credit_list(org: Org, *, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Lots of bonus with something left, in the order in which they came."""
    from puyun.kit.clock import format_instant
    from puyun.kit.money import format_amount
    from puyun.storage.money.grants import described_lots

    with opening.reading(data, config) as connection:
        found = opening.organization(connection, org)
        lots = described_lots(connection, found.id)
    rows = [
        {
            "transaction": lot.number,
            "amount": format_amount(lot.amount),
            "left": format_amount(lot.rest),
            "expires": None if lot.expires_at is None else format_instant(lot.expires_at),
            "why": why,
        }
        for lot, why in lots
    ]
    output.emit(rows, {name: name for name in ("transaction", "amount", "left", "expires", "why")}, as_json=as_json)


@credit_app.command("expire")
def credit_expire(*, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Cut off what is left of expired lots; a running server does so every minute."""
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount
    from puyun.storage.money.grants import expire_lot, lots_due
    from puyun.system.clock import SystemClock

    now = SystemClock().now()
    with opening.writing(data, config) as connection:
        rows = [
            {
                "organization": format_id("org", org),
                "transaction": number,
                "expired": format_amount(expire_lot(connection, org, number, now)),
            }
            for org, number in lots_due(connection, now)
        ]
    output.emit(rows, {name: name for name in ("organization", "transaction", "expired")}, as_json=as_json)


def standing(connection: "Connection", org: int) -> dict[str, object]:
    """A wallet after an act."""
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount
    from puyun.storage.wallets import load_wallet

    wallet = load_wallet(connection, org)
    return {
        "organization": format_id("org", org),
        "currency": wallet.currency,
        "balance": format_amount(wallet.balance),
        "held": format_amount(wallet.held),
        "available": format_amount(wallet.available),
    }


def _kind(kind: str) -> "MoneyKind":
    from puyun.ledger.acts.grant import MoneyKind

    if kind not in set(MoneyKind):
        raise usage(f"There is no kind {kind!r}.", "paid or bonus")
    return MoneyKind(kind)
