"""Budgets: those in force, and setting and ending those of members, by the services of the Members page."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from sqlalchemy import Connection

from puyun.control.access import BillingReader, BudgetsWriter
from puyun.control.billing.shapes import BudgetAsked, BudgetGone, BudgetShape
from puyun.control.once import Once, once
from puyun.control.shapes import Page
from puyun.control.texts import amount
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id, parse_id
from puyun.kit.money import MoneyError, parse_amount
from puyun.ledger.budget import Period, Subject
from puyun.storage.budgets.budgets import BudgetRow, list_budgets
from puyun.storage.control.tokens import Bearer
from puyun.storage.engine import reading
from puyun.storage.members.budgets import end_member_budget, set_member_budget

router = APIRouter(tags=["budgets"])

BUDGETS_MAX = 1_000
"""Listed at once, the organization's own first."""

_PERIODS: dict[Period, Literal["day", "month", "total"]] = {
    Period.DAY: "day",
    Period.MONTH: "month",
    Period.TOTAL: "total",
}
_PREFIX = {Subject.KEY: "key", Subject.MEMBER: "user"}

UserId = Annotated[str, Path(alias="user", max_length=40, description="`user_…`")]


@router.get("/budgets", summary="The budgets in force")
def get_budgets(caller: BillingReader) -> Page[BudgetShape]:
    with reading(caller.deps.engine) as connection:
        found = list_budgets(connection, caller.org, caller.now, most=BUDGETS_MAX)
    return Page(data=[_shown(budget) for budget in found], next_cursor=None)


@router.put("/members/{user}/budgets", response_model=BudgetShape, summary="Set a budget of a member")
def put_budget(caller: BudgetsWriter, write: Once, user: UserId, asked: BudgetAsked) -> Response:
    """All keys of the member's own count together, from now on."""
    number = _user(user)
    try:
        nano = parse_amount(asked.amount)
    except MoneyError as error:
        raise PuyunError("invalid_budget", 400, f"{error}.", param="amount") from None

    def act(connection: Connection, bearer: Bearer) -> BudgetShape:
        made = set_member_budget(
            connection,
            bearer.organization.id,
            number,
            period=Period[asked.period.upper()],
            amount=nano,
            hard=asked.hard,
            actor=bearer.user.id,
            now=caller.now,
        )
        return _shown(made)

    return once(caller, write, 200, act)


@router.delete("/members/{user}/budgets/{id}", response_model=BudgetGone, summary="End a budget of a member")
def delete_budget(
    caller: BudgetsWriter, write: Once, user: UserId, budget: Annotated[int, Path(alias="id", ge=1, lt=1 << 63)]
) -> Response:
    number = _user(user)

    def act(connection: Connection, bearer: Bearer) -> BudgetGone:
        org, actor = bearer.organization.id, bearer.user.id
        end_member_budget(connection, org, number, budget, actor=actor, now=caller.now)
        return BudgetGone(id=budget)

    return once(caller, write, 200, act)


def _user(text: str) -> int:
    """Raises `member_not_found` (404)."""
    try:
        number = parse_id("user", text)
    except ValueError:
        number = 1 << 63
    if number >= 1 << 63:
        raise PuyunError("member_not_found", 404, "The organization has no such member.")
    return number


def _shown(budget: BudgetRow) -> BudgetShape:
    prefix = _PREFIX.get(budget.subject)
    return BudgetShape(
        id=budget.id,
        of=format_id("org", budget.org) if prefix is None else format_id(prefix, budget.number),
        period=_PERIODS[budget.period],
        hard=budget.hard,
        amount=amount(budget.amount),
        spent=amount(budget.spent),
        held=amount(budget.held),
        available=amount(budget.available),
    )
