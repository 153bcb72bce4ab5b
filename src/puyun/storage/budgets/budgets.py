"""Setting, ending and showing budgets, and the events they gave notice by."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import first_call_at
from puyun.kit.money import WALLET_MAX
from puyun.ledger.budget import Period, Subject, window_of
from puyun.storage import schema
from puyun.storage.budgets import tables

_BUDGET, _WINDOW, _EVENT = tables.budget, tables.budget_window, tables.event

EVENTS = 1_000
"""The most events shown at once."""

ACTIVE_MAX = 10_000
"""Budgets of one organization that are in force."""


class BudgetRow(msgspec.Struct, frozen=True, kw_only=True):
    """A budget in force with its current window; nano-units. `number` is the key or the user, 0 the organization."""

    id: int
    org: int
    subject: Subject
    number: int
    period: Period
    hard: bool
    amount: int
    created_at: Instant
    created_by: str
    spent: int = 0
    held: int = 0

    @property
    def available(self) -> int:
        return max(self.amount - self.spent - self.held, 0)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What an organization is to be told; `data` is what its kind says."""

    id: int
    org: int
    kind: str
    subject: str
    at: Instant
    data: dict[str, Any]


def set_budget(
    connection: Connection,
    org: int,
    subject: Subject,
    number: int = 0,
    *,
    period: Period,
    amount: int,
    hard: bool = True,
    by: str = "",
    now: Instant,
) -> BudgetRow:
    """From now on; where there is one already, its amount changes and what was spent stays.

    Takes the wallet's lock: no call that was admitted before may count, or what it gives back would never have been
    taken. Raises PuyunError 400, or 404 `organization_not_found`.
    """
    if not 0 < amount <= WALLET_MAX:
        raise PuyunError("invalid_budget", 400, "A budget is more than zero; end it to have none.", param="amount")
    wallet = select(schema.wallet.c.org).where(schema.wallet.c.org == org).with_for_update()
    if connection.execute(wallet).first() is None:
        raise PuyunError("organization_not_found", 404, "There is no such organization.")
    place = and_(_in_force(org), _of(subject, number), _BUDGET.c.period == period, _BUDGET.c.hard == int(hard))
    changed = update(_BUDGET).where(place).values(amount=amount, created_by=by).returning(_BUDGET.c.id)
    found = connection.execute(changed).scalar()
    if found is None:
        _refuse_too_many(connection, org)
        row = {
            "org": org,
            "subject": subject,
            "number": number,
            "period": period,
            "hard": int(hard),
            "amount": amount,
            "since": _since(connection, org, now),
            "created_at": now,
            "created_by": by,
        }
        found = connection.execute(insert(_BUDGET).values(row).returning(_BUDGET.c.id)).scalar_one()
    return next(budget for budget in list_budgets(connection, org, now) if budget.id == found)


def end_budget(connection: Connection, org: int, budget: int, now: Instant) -> None:
    """From now on it guards nothing. Raises PuyunError `budget_not_found` (404)."""
    ended = update(_BUDGET).where(_in_force(org), _BUDGET.c.id == budget).values(ended_at=now)
    if not connection.execute(ended).rowcount:
        raise PuyunError("budget_not_found", 404, "The organization has no such budget in force.")


def list_budgets(connection: Connection, org: int, now: Instant, *, most: int = ACTIVE_MAX) -> list[BudgetRow]:
    """Those in force, the organization's own first, at most so many."""
    call = first_call_at(now)
    current = or_(
        *(and_(_BUDGET.c.period == period, _WINDOW.c.number == window_of(period, call)) for period in Period),
    )
    query = (
        select(_BUDGET, _WINDOW.c.spent, _WINDOW.c.held)
        .select_from(_BUDGET.outerjoin(_WINDOW, and_(_WINDOW.c.budget == _BUDGET.c.id, current)))
        .where(_in_force(org))
        .order_by(_BUDGET.c.subject.desc(), _BUDGET.c.number, _BUDGET.c.period, _BUDGET.c.hard.desc())
        .limit(most)
    )
    return [_row(row) for row in connection.execute(query)]


def list_events(connection: Connection, org: int, kind: str | None = None) -> list[Event]:
    """The latest first."""
    query = select(_EVENT).where(_EVENT.c.org == org).order_by(_EVENT.c.id.desc()).limit(EVENTS)
    if kind is not None:
        query = query.where(_EVENT.c.kind == kind)
    return [
        Event(id=row.id, org=row.org, kind=row.kind, subject=row.subject, at=row.at, data=msgspec.json.decode(row.data))
        for row in connection.execute(query)
    ]


def _since(connection: Connection, org: int, now: Instant) -> int:
    """The first call id that counts: after every call that has been admitted, whatever its process's clock said."""
    latest = [connection.execute(select(func.max(table.c.call)).where(table.c.org == org)).scalar() for table in _CALLS]
    return max(first_call_at(now), *(call + 1 for call in latest if call is not None), 0)


_CALLS = (schema.hold, schema.usage_record)


def _in_force(org: int) -> ColumnElement[bool]:
    return and_(_BUDGET.c.org == org, _BUDGET.c.ended_at.is_(None))


def _of(subject: Subject, number: int) -> ColumnElement[bool]:
    return and_(_BUDGET.c.subject == subject, _BUDGET.c.number == number)


def _refuse_too_many(connection: Connection, org: int) -> None:
    count = connection.execute(select(func.count()).select_from(_BUDGET).where(_in_force(org))).scalar_one()
    if count >= ACTIVE_MAX:
        raise PuyunError("invalid_budget", 400, f"An organization has at most {ACTIVE_MAX} budgets; end some.")


def _row(row: Row[Any]) -> BudgetRow:
    return BudgetRow(
        id=row.id,
        org=row.org,
        subject=Subject(row.subject),
        number=row.number,
        period=Period(row.period),
        hard=bool(row.hard),
        amount=row.amount,
        created_at=row.created_at,
        created_by=row.created_by,
        spent=row.spent or 0,
        held=row.held or 0,
    )
