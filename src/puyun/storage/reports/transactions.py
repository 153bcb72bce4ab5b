"""What moved an organization's balance, newest first, a page at a time: each act by itself, and the calls of each day.

Acts come from the journal, days from the rollups, which the same transactions write; so all pages together add up to the
balance. A day is that in which its calls began (UTC), as on the usage page and in a statement.
"""

from collections import defaultdict
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select, tuple_

from puyun.kit.clock import DAY, HOUR, Instant
from puyun.kit.ids import CALL_MAX
from puyun.ledger.chart import Entry
from puyun.ledger.posting import Line, effect
from puyun.storage import schema

PAGE = 50
"""Lines on a page."""

DAYS = 31
"""Days that a page reaches back from its first line; empty ones before that are passed over."""

_JOURNAL, _ROLLUP = schema.journal, schema.rollup_hour
_HOURS_A_DAY = DAY // HOUR

_AN_ACT = _JOURNAL.c.entry != literal_column("'usage'")
"""As the index `ix_journal_acts` says it: with a parameter in it the index would not be used."""


class Cursor(msgspec.Struct, frozen=True, order=True):
    """The place of a line: when, and the number of its transaction. A day's calls stand above the acts of the day."""

    at: int
    number: int


FIRST = Cursor(CALL_MAX, CALL_MAX)
"""Before every line."""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `amount`: what it did to the balance, in nano-units. `ref` names the act; a day's calls have none."""

    place: Cursor
    entry: Entry
    amount: int
    ref: str = ""

    @property
    def at(self) -> Instant:
        return Instant(self.place.at)


class MovedPage(msgspec.Struct, frozen=True):
    """`after`: the place after which the next page begins, None at the end."""

    rows: list[Moved]
    after: Cursor | None


def moved_page(connection: Connection, org: int, after: Cursor = FIRST) -> MovedPage:
    """At most PAGE lines after a place; acts that did not touch the balance are left out."""
    newest = _newest(connection, org, after)
    if newest is None:
        return MovedPage([], None)
    start = Instant((newest // DAY - DAYS + 1) * DAY)
    places = _act_places(connection, org, start, after)
    days = _days(connection, org, start, after)
    acts = _acts(connection, org, [place.number for place in places])
    # An act that did not touch the balance keeps its place in the order, so that a page of such acts is passed over.
    lines: dict[Cursor, Moved | None] = {place: acts.get(place.number) for place in places}
    lines |= {day.place: day for day in days}
    order = sorted(lines, reverse=True)
    end = order[PAGE - 1] if len(order) > PAGE else Cursor(start, 0)
    rows = [line for place in order[:PAGE] if (line := lines[place]) is not None]
    return MovedPage(rows, None if _newest(connection, org, end) is None else end)


def newest_act(connection: Connection, org: int) -> Cursor | None:
    """The place of the last transaction that is no call's."""
    row = connection.execute(_act_query(org, FIRST).limit(1)).first()
    return None if row is None else Cursor(row.at, row.number)


def charged_days(connection: Connection, org: int, start: Instant) -> list[Moved]:
    """The calls of each day from that of `start` on, in no order."""
    return _days(connection, org, Instant(start // DAY * DAY), FIRST)


def _newest(connection: Connection, org: int, after: Cursor) -> int | None:
    """When the first line after a place is, None where there is none: the top of an index each."""
    act = connection.execute(_act_query(org, after).limit(1)).first()
    day = select(_ROLLUP.c.hour).where(*_charged(org, after)).order_by(_ROLLUP.c.hour.desc()).limit(1)
    hour = connection.execute(day).scalar()
    found = [*([] if act is None else [act.at]), *([] if hour is None else [_day_place(hour // _HOURS_A_DAY).at])]
    return max(found, default=None)


def _act_query(org: int, after: Cursor) -> Select[*tuple[Any, ...]]:
    place = tuple_(_JOURNAL.c.at, _JOURNAL.c.number) < tuple_(after.at, after.number)
    query = select(_JOURNAL.c.at, _JOURNAL.c.number).where(_JOURNAL.c.org == org, _AN_ACT, place).distinct()
    return query.order_by(_JOURNAL.c.at.desc(), _JOURNAL.c.number.desc())


def _act_places(connection: Connection, org: int, start: Instant, after: Cursor) -> list[Cursor]:
    query = _act_query(org, after).where(_JOURNAL.c.at >= start).limit(PAGE + 1)
    return [Cursor(row.at, row.number) for row in connection.execute(query)]


def _acts(connection: Connection, org: int, numbers: list[int]) -> dict[int, Moved]:
    """The transactions of these numbers that touched the balance."""
    query = select(_JOURNAL).where(_JOURNAL.c.org == org, _JOURNAL.c.number.in_(numbers))
    lines: defaultdict[int, list[Line]] = defaultdict(list)
    found: dict[int, Moved] = {}
    for row in connection.execute(query):
        lines[row.number].append(Line(row.debit, row.credit, row.amount))
        done = effect(*lines[row.number])
        place = Cursor(row.at, row.number)
        found[row.number] = Moved(place=place, entry=Entry(row.entry), amount=done.paid + done.bonus, ref=row.ref)
    return {number: moved for number, moved in found.items() if moved.amount}


def _charged(org: int, after: Cursor) -> tuple[ColumnElement[bool], ...]:
    """The hours of the days after a place in which calls were charged."""
    return _ROLLUP.c.org == org, _ROLLUP.c.hour < after.at // DAY * _HOURS_A_DAY, _ROLLUP.c.charge > 0


def _days(connection: Connection, org: int, start: Instant, after: Cursor) -> list[Moved]:
    day = (_ROLLUP.c.hour // _HOURS_A_DAY).label("day")
    query = select(day, func.sum(_ROLLUP.c.charge).label("charge")).where(*_charged(org, after)).group_by(day)
    rows = connection.execute(query.where(_ROLLUP.c.hour >= start // HOUR))
    return [Moved(place=_day_place(row.day), entry=Entry.USAGE, amount=-int(row.charge)) for row in rows]


def _day_place(day: int) -> Cursor:
    return Cursor((day + 1) * DAY - 1, CALL_MAX)
