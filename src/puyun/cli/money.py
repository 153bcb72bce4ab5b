"""puyun topup, puyun balance, puyun usage: what an organization paid and what for."""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import usage as wrong_usage
from puyun.cli.ledger.options import NOBODY, ApprovedBy, By, agreed
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from puyun.storage.usage import UsageRow


def topup(
    org: Org,
    amount: Annotated[str, typer.Argument(help="In the wallet's currency, such as 5.00.")],
    *,
    key: Annotated[
        str | None, typer.Option("--id", help="Idempotency key: repeating the command changes nothing.")
    ] = None,
    kind: Annotated[str, typer.Option(help="paid (the customer's money) or bonus (a gift, spent first).")] = "paid",
    tax: Annotated[str, typer.Option(help="Tax that was collected on top; with --area.")] = "0",
    area: Annotated[str, typer.Option(help="Whose tax it is, such as DE.")] = "",
    fee: Annotated[str, typer.Option(help="What the processor keeps; the wallet is not touched.")] = "0",
    processor: Annotated[str, typer.Option(help="Who took the payment; `manual` is the operator.")] = "manual",
    expires: Annotated[str | None, typer.Option(help="When bonus ends (UTC); never by default.")] = None,
    note: Annotated[str, typer.Option(help="Why, for the journal.")] = "",
    by: By = NOBODY,
    approved_by: ApprovedBy = "",
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Credit a wallet."""
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount
    from puyun.ledger.acts.topup import Payment
    from puyun.ledger.command import Act
    from puyun.storage.money.grants import give_bonus
    from puyun.storage.money.payments import take_payment
    from puyun.storage.wallets import MoneyKind, load_wallet
    from puyun.system.clock import SystemClock
    from puyun.system.entropy import reference

    if kind not in set(MoneyKind):
        raise wrong_usage(f"There is no kind {kind!r}.", "paid or bonus")
    nano = parsing.amount(amount)
    ref = key or reference("topup")
    act, ends, now = Act(ref, by, note), parsing.optional_instant(expires), SystemClock().now()
    payment = Payment(amount=nano, tax=parsing.amount(tax), area=area, fee=parsing.amount(fee), processor=processor)
    with opening.writing(data, config) as connection:
        found = opening.organization(connection, org)
        if MoneyKind(kind) is MoneyKind.PAID:
            posted = take_payment(connection, found.id, payment, act, now)
        else:
            act = agreed(act, nano, approved_by, data, config)
            posted = give_bonus(connection, found.id, nano, act, expires_at=ends, now=now)
        wallet = load_wallet(connection, found.id)
    described = {
        "organization": format_id("org", found.id),
        "name": found.name,
        "transaction": posted.transaction,
        "id": ref,
        "kind": kind,
        "amount": format_amount(nano),
        "currency": wallet.currency,
        "balance": format_amount(posted.balance),
        "available": format_amount(wallet.available),
    }
    output.emit_one(described, as_json=as_json)


def balance(org: Org, *, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Balance, open holds, available amount."""
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount
    from puyun.storage.wallets import load_wallet

    with opening.reading(data, config) as connection:
        found = opening.organization(connection, org)
        wallet = load_wallet(connection, found.id)
    described = {
        "organization": format_id("org", found.id),
        "name": found.name,
        "currency": wallet.currency,
        "balance": format_amount(wallet.balance),
        "held": format_amount(wallet.held),
        "available": format_amount(wallet.available),
        "paid": format_amount(wallet.paid),
        "bonus": format_amount(wallet.bonus),
        "credit_limit": format_amount(wallet.credit_limit),
    }
    output.emit_one(described, as_json=as_json)


def usage(
    org: Org,
    *,
    by: Annotated[str, typer.Option(help="model, key, tier, day, hour or member.")] = "model",
    start: Annotated[str | None, typer.Option("--from", help="First hour (UTC); 30 days ago by default.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="End of the last hour (UTC); now by default.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Calls, tokens and charges by model, key, day …

    The figures are those of the usage page.
    """
    from puyun.kit.clock import DAY, Instant, format_instant
    from puyun.kit.ids import format_id
    from puyun.storage.usage import Grouping, usage_by, usage_totals
    from puyun.storage.wallets import load_wallet
    from puyun.system.clock import SystemClock

    if by not in set(Grouping):
        raise wrong_usage(f"Usage is not grouped by {by!r}.", "model, key, tier, day, hour or member")
    last = parsing.optional_instant(end) or SystemClock().now()
    first = parsing.optional_instant(start) or Instant(last - 30 * DAY)
    with opening.reading(data, config) as connection:
        found = opening.organization(connection, org)
        rows = [_usage_row(row) for row in usage_by(connection, found.id, Grouping(by), first, last)]
        total = _usage_row(usage_totals(connection, found.id, first, last))
        currency = load_wallet(connection, found.id).currency
    if as_csv:
        output.emit_csv(rows, total)
    elif as_json:
        head = {"organization": format_id("org", found.id), "currency": currency, "by": by}
        period = {"from": format_instant(first), "to": format_instant(last)}
        output.emit_json(head | period | {"rows": rows, "total": total})
    else:
        names = ("label", "calls", "failures", "input", "cached_input", "output", "reasoning", "charge")
        output.table(
            [*rows, total], {name: name.replace("_", " ") for name in names} | {"label": by, "charge": currency}
        )


def _usage_row(row: "UsageRow") -> dict[str, object]:
    from puyun.kit.money import format_amount
    from puyun.metering.usage import BUCKETS

    head: dict[str, object] = {"label": row.label, "calls": row.calls, "failures": row.failures}
    tokens = {bucket: getattr(row.usage, bucket) for bucket in BUCKETS}
    return head | tokens | {"charge": format_amount(row.charge)}
