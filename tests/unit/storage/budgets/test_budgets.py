"""A budget counts from the first call that is admitted after it, whatever clocks say."""

import pytest
from sqlalchemy import Connection, Engine, insert

from puyun.catalog.model import TIERS
from puyun.kit.clock import DAY, Instant, parse_instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import first_call_at
from puyun.ledger.budget import Period, Subject
from puyun.storage import identity, schema
from puyun.storage.budgets import budgets, tables
from puyun.storage.budgets.budgets import BudgetRow, end_budget, list_budgets, set_budget
from puyun.storage.engine import reading, writing

NOW = parse_instant("2026-11-25T12:00:00Z")
ORG = 7


@pytest.fixture(autouse=True)
def acme(engine: Engine) -> None:
    with writing(engine) as connection:
        identity.create_organization(connection, "acme", org=ORG, tiers=TIERS, currency="USD", now=NOW)


def monthly(connection: Connection, amount: int = 10) -> BudgetRow:
    return set_budget(connection, ORG, Subject.ORGANIZATION, period=Period.MONTH, amount=amount, by="ann", now=NOW)


def since(connection: Connection) -> int:
    return connection.execute(tables.budget.select()).one().since


@pytest.mark.parametrize("ahead", [-DAY, DAY])
def test_calls_that_were_admitted_before_it_do_not_count(engine: Engine, ahead: int) -> None:
    """Also those of a process whose clock goes ahead."""
    call = first_call_at(Instant(NOW + ahead)) + 5
    with writing(engine) as connection:
        row = {"org": ORG, "call": call, "amount": 1, "key": 1, "owner": 1, "model": 1, "tier": 1}
        connection.execute(insert(schema.hold).values(row))
        monthly(connection)
        assert since(connection) == max(first_call_at(NOW), call + 1)


def test_the_current_window_is_shown(engine: Engine) -> None:
    with writing(engine) as connection:
        budget = monthly(connection)
        november, october = 2026 * 12 + 10, 2026 * 12 + 9
        for number, spent in ((november, 3), (october, 9)):
            connection.execute(
                insert(tables.budget_window).values(budget=budget.id, number=number, spent=spent, held=1)
            )
    with reading(engine) as connection:
        (shown,) = list_budgets(connection, ORG, NOW)
        assert (shown.spent, shown.held, shown.available, shown.created_by) == (3, 1, 6, "ann")
        (later,) = list_budgets(connection, ORG, Instant(NOW + 30 * DAY))
        assert (later.spent, later.available) == (0, 10)


def test_lowering_it_below_what_was_spent_leaves_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        budget = monthly(connection)
        connection.execute(
            insert(tables.budget_window).values(budget=budget.id, number=2026 * 12 + 10, spent=8, held=0)
        )
        changed = monthly(connection, 5)
        assert (changed.id, changed.amount, changed.spent, changed.available) == (budget.id, 5, 8, 0)


def test_refusals(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "ACTIVE_MAX", 1)
    with writing(engine) as connection:
        for amount in (0, -1, 10**30):
            with pytest.raises(PuyunError, match="more than zero"):
                monthly(connection, amount)
        with pytest.raises(PuyunError, match="no such organization"):
            set_budget(connection, 8, Subject.ORGANIZATION, period=Period.DAY, amount=1, now=NOW)
        with pytest.raises(PuyunError, match="no such budget"):
            end_budget(connection, ORG, 1, NOW)
        monthly(connection)
        with pytest.raises(PuyunError, match="at most 1 budgets"):
            set_budget(connection, ORG, Subject.KEY, 1, period=Period.DAY, amount=1, now=NOW)
