"""Budgets of members, set by whoever manages them. Roles are looked at inside the transaction, as for every such act."""

from collections import defaultdict

from sqlalchemy import Connection

from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id
from puyun.ledger.budget import Period, Subject
from puyun.storage.budgets.budgets import BudgetRow, end_budget, list_budgets, set_budget
from puyun.storage.members.people import role_to_change


def member_budgets(connection: Connection, org: int, now: Instant) -> dict[int, list[BudgetRow]]:
    """Those in force, by user."""
    found: defaultdict[int, list[BudgetRow]] = defaultdict(list)
    for budget in list_budgets(connection, org, now):
        if budget.subject is Subject.MEMBER:
            found[budget.number].append(budget)
    return dict(found)


def set_member_budget(
    connection: Connection,
    org: int,
    user: int,
    *,
    period: Period,
    amount: int,
    hard: bool,
    actor: int,
    now: Instant,
) -> BudgetRow:
    """Counts all keys of the member's own, from now on. `actor`: the number of the user who sets it.

    Raises `not_permitted` (403), `member_not_found` (404), `invalid_budget` (400).
    """
    role_to_change(connection, org, user, actor=actor)
    by = format_id("user", actor)
    return set_budget(connection, org, Subject.MEMBER, user, period=period, amount=amount, hard=hard, by=by, now=now)


def end_member_budget(connection: Connection, org: int, user: int, budget: int, *, actor: int, now: Instant) -> None:
    """Raises as setting one, and `budget_not_found` (404), also for somebody else's."""
    role_to_change(connection, org, user, actor=actor)
    if all(each.id != budget for each in member_budgets(connection, org, now).get(user, [])):
        raise PuyunError("budget_not_found", 404, "The member has no such budget in force.")
    end_budget(connection, org, budget, now)
