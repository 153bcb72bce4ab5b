"""puyun budget …"""

from typing import TYPE_CHECKING, Annotated

import typer

from puyun.cli import opening, output, parsing
from puyun.cli.failure import not_found, usage
from puyun.cli.opening import Config, Data, Json, Org

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from puyun.identity.model import Organization
    from puyun.ledger.budget import Period, Subject
    from puyun.storage.budgets.budgets import BudgetRow

budget_app = typer.Typer(no_args_is_help=True, help="What keys, members and organizations may spend in a period.")


@budget_app.command("set")
def budget_set(
    org: Org,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 5.00.")],
    *,
    period: Annotated[str, typer.Option(help="day, month (both of UTC) or total.")] = "month",
    key: Annotated[str | None, typer.Option(help="Of one key: its id (key_…) or prefix.")] = None,
    member: Annotated[str | None, typer.Option(help="Of all keys of a member, by e-mail address.")] = None,
    soft: Annotated[bool, typer.Option("--soft", help="Give notice and refuse nothing.")] = False,
    data: Data = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Limit what a key, a member or, without either, the organization spends; calls beyond it are refused.

    Setting it again changes the amount and keeps what was spent. Notices are given at 50, 80 and 100 percent.
    """
    from puyun.storage.budgets.budgets import set_budget
    from puyun.system.clock import SystemClock

    nano = parsing.amount(amount)
    chosen = _period(period)
    with opening.writing(data, config) as connection:
        organization = opening.organization(connection, org)
        subject, number = _subject(connection, organization, key, member)
        budget = set_budget(
            connection,
            organization.id,
            subject,
            number,
            period=chosen,
            amount=nano,
            hard=not soft,
            by="cli",
            now=SystemClock().now(),
        )
        described = _described(connection, budget)
    output.emit_one(described, as_json=as_json)


@budget_app.command("list")
def budget_list(org: Org, *, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """Budgets in force, with what was spent and is held in the current day or month."""
    from puyun.storage.budgets.budgets import list_budgets
    from puyun.system.clock import SystemClock

    with opening.reading(data, config) as connection:
        organization = opening.organization(connection, org)
        budgets = list_budgets(connection, organization.id, SystemClock().now())
        rows = [_described(connection, budget) for budget in budgets]
    columns = ("id", "of", "period", "kind", "amount", "spent", "held", "available")
    output.emit(rows, {column: column for column in columns}, as_json=as_json)


@budget_app.command("end")
def budget_end(
    org: Org,
    budget: Annotated[str, typer.Argument(metavar="BUDGET", help="Its id (budget_…).")],
    *,
    data: Data = None,
    config: Config = None,
) -> None:
    """Guard nothing by it from now on."""
    from puyun.kit.ids import parse_id
    from puyun.storage.budgets.budgets import end_budget
    from puyun.system.clock import SystemClock

    try:
        number = parse_id("budget", budget)
    except ValueError as error:
        raise not_found("budget", budget, f"See them: puyun budget list {org!r}") from error
    with opening.writing(data, config) as connection:
        end_budget(connection, opening.organization(connection, org).id, number, SystemClock().now())
    output.say(f"{budget} has ended.")


@budget_app.command("notices")
def budget_notices(org: Org, *, data: Data = None, config: Config = None, as_json: Json = False) -> None:
    """When budgets reached 50, 80 and 100 percent, the latest first."""
    from puyun.kit.clock import format_instant
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount
    from puyun.notices.kinds import Kind
    from puyun.storage.budgets.budgets import list_events

    with opening.reading(data, config) as connection:
        events = list_events(connection, opening.organization(connection, org).id, Kind.BUDGET_REACHED)
    rows = [
        {
            "at": format_instant(event.at),
            "budget": format_id("budget", int(event.subject.partition(":")[0])),
            "percent": event.data["percent"],
            "spent": format_amount(event.data["spent"]),
            "amount": format_amount(event.data["limit"]),
        }
        for event in events
    ]
    columns = ("at", "budget", "percent", "spent", "amount")
    output.emit(rows, {column: column for column in columns}, as_json=as_json)


def _period(text: str) -> "Period":
    from puyun.ledger.budget import Period

    try:
        return Period[text.strip().upper()]
    except KeyError as error:
        raise usage(f"There is no period {text!r}.", "day, month or total") from error


def _subject(
    connection: "Connection", organization: "Organization", key: str | None, member: str | None
) -> "tuple[Subject, int]":
    from puyun.ledger.budget import Subject

    if key is not None and member is not None:
        raise usage("A budget is of one key or of one member.", "--key or --member, or neither for the organization")
    if key is not None:
        return Subject.KEY, opening.key(connection, key, "A budget is of one key.", organization).id
    if member is not None:
        return Subject.MEMBER, opening.member(connection, organization, member)
    return Subject.ORGANIZATION, 0


def _described(connection: "Connection", budget: "BudgetRow") -> dict[str, object]:
    from puyun.kit.clock import format_instant
    from puyun.kit.ids import format_id
    from puyun.kit.money import format_amount
    from puyun.ledger.budget import Subject
    from puyun.storage.identity import list_members

    of = "organization"
    if budget.subject is Subject.KEY:
        of = format_id("key", budget.number)
    elif budget.subject is Subject.MEMBER:
        emails = {user.id: user.email for user, _ in list_members(connection, budget.org)}
        of = emails.get(budget.number, format_id("user", budget.number))
    return {
        "id": format_id("budget", budget.id),
        "of": of,
        "period": budget.period.name.lower(),
        "kind": "hard" if budget.hard else "soft",
        "amount": format_amount(budget.amount),
        "spent": format_amount(budget.spent),
        "held": format_amount(budget.held),
        "available": format_amount(budget.available),
        "created": format_instant(budget.created_at),
    }
