"""A15: what budgets say was spent and is held, against the records and the open holds of those they guard."""

from collections import defaultdict
from collections.abc import Iterator

from sqlalchemy import ColumnElement, Integer, Table, and_, literal, or_, select

from puyun.kit.clock import DAY, Instant
from puyun.kit.ids import EPOCH_MS, first_call_at
from puyun.ledger.audit import Finding
from puyun.ledger.budget import Period, Subject, window_of
from puyun.storage import schema
from puyun.storage.budgets import tables
from puyun.storage.checks.span import Span, halves, whole

_BUDGET, _WINDOW, _KEY = tables.budget, tables.budget_window, schema.api_key

_Cell = tuple[int, int]
"""(budget, window)."""


def check_budgets(span: Span) -> Iterator[Finding]:
    budgets = {row["id"]: row for row in span.rows(select(_BUDGET).where(span.within(_BUDGET), _in_force()))}
    if not budgets:
        return
    periods = {number: Period(row["period"]) for number, row in budgets.items()}
    spent = _sums(span, schema.usage_record, "charge", periods)
    held = _sums(span, schema.hold, "amount", periods)
    stored = _stored(span)
    for cell in sorted(spent.keys() | held.keys() | stored.keys()):
        row = budgets[cell[0]]
        subject = Subject(row["subject"]).name.lower()
        where = f"budget {cell[0]} of {subject} {row['number']}, {periods[cell[0]].name.lower()} {cell[1]}"
        found = stored.get(cell, (0, 0))
        for what, has, derived in (("spent", found[0], spent[cell]), ("held", found[1], held[cell])):
            if has != derived:
                message = f"{what} is {has}, derived {derived}, difference {has - derived}"
                yield span.finding("A15", row["org"], where, message)


def _in_force() -> ColumnElement[bool]:
    return _BUDGET.c.ended_at.is_(None)


def _sums(span: Span, table: Table, column: str, periods: dict[int, Period]) -> defaultdict[_Cell, int]:
    """By day in the database, which all periods are made of."""
    day = (table.c.call.bitwise_rshift(literal(22, Integer)) + EPOCH_MS) // (DAY // 1000)
    counts = or_(
        _BUDGET.c.subject == Subject.ORGANIZATION,
        and_(_BUDGET.c.subject == Subject.KEY, _BUDGET.c.number == table.c.key),
        and_(_BUDGET.c.subject == Subject.MEMBER, _BUDGET.c.number == _KEY.c.member),
    )
    mine = and_(_BUDGET.c.org == table.c.org, table.c.call >= _BUDGET.c.since, counts, _in_force())
    query = (
        select(_BUDGET.c.org, _BUDGET.c.id, day.label("day"), *halves(table.c[column], "sum"))
        .select_from(table.outerjoin(_KEY, _KEY.c.id == table.c.key).join(_BUDGET, mine))
        .where(span.within(table))
        .group_by(_BUDGET.c.org, _BUDGET.c.id, day)
    )
    sums: defaultdict[_Cell, int] = defaultdict(int)
    for row in span.rows(query):
        window = window_of(periods[row["id"]], first_call_at(Instant(row["day"] * DAY)))
        sums[row["id"], window] += whole(row, "sum")
    return sums


def _stored(span: Span) -> dict[_Cell, tuple[int, int]]:
    query = (
        select(_BUDGET.c.org, _WINDOW)
        .select_from(_WINDOW.join(_BUDGET, _BUDGET.c.id == _WINDOW.c.budget))
        .where(span.within(_BUDGET), _in_force())
    )
    return {(row["budget"], row["number"]): (row["spent"], row["held"]) for row in span.rows(query)}
