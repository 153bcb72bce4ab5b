"""Higher limits that members ask for, and what the operator answers. Of a kind (tier, model, metric) one is open at a time."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.limits.rule import Metric, Rule, Subject
from puyun.storage import schema
from puyun.storage.engine import upsert
from puyun.storage.limits.rules import Change, set_limits
from puyun.storage.limits.tables import limit_wish

OPEN_MAX = 20
"""Of one organization at a time."""

_TABLE = limit_wish


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `model` empty: of all models together."""

    tier: Tier
    model: str
    metric: Metric
    amount: int
    why: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`granted`: the limit that it became; None: it stays as it is."""

    at: Instant
    granted: int | None
    text: str
    by: str


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """`answer` None: it is open."""

    id: int
    org: int
    organization: str
    email: str
    wanted: Wanted
    asked_at: Instant
    answer: Answer | None


def add_wish(connection: Connection, org: int, user: int, wanted: Wanted, now: Instant) -> Wish:
    """Raises PuyunError `limit_asked` or `too_many_wishes` (409)."""
    still = select(func.count()).select_from(_TABLE).where(_TABLE.c.org == org, _TABLE.c.answered_at.is_(None))
    row = msgspec.structs.asdict(wanted) | {"org": org, "by": user, "asked_at": now}
    opened = connection.execute(still).scalar_one()
    once = upsert(connection, _TABLE).values(row).on_conflict_do_nothing().returning(_TABLE.c.id)
    number = connection.execute(once).scalar()
    if number is None:
        raise PuyunError("limit_asked", 409, "This was asked for already, and is not answered yet.")
    if opened >= OPEN_MAX:
        raise PuyunError("too_many_wishes", 409, f"{OPEN_MAX} requests are open already. Wait for answers first.")
    return _read(connection, _TABLE.c.id == number, 1)[0]


def wishes_of(connection: Connection, org: int, most: int) -> list[Wish]:
    """The newest first, answered ones too."""
    return _read(connection, _TABLE.c.org == org, most)


def wishes_by(connection: Connection, user: int, most: int) -> list[Wish]:
    """Those of one user, in every organization, the newest first."""
    return _read(connection, _TABLE.c.by == user, most)


def list_wishes(connection: Connection, most: int, *, answered: bool) -> list[Wish]:
    """Everybody's, the newest first; only open ones, unless `answered`."""
    return _read(connection, _TABLE.c.id.is_not(None) if answered else _TABLE.c.answered_at.is_(None), most)


def grant_wish(connection: Connection, number: int, change: Change, now: Instant, *, amount: int | None) -> Rule:
    """Sets the limit, as it was asked for or at another `amount`. Raises what `_opened` and `set_limits` raise."""
    wish = _opened(connection, number)
    wanted = wish.wanted
    granted = wanted.amount if amount is None else amount
    subject = Subject(org=wish.org, tier=wanted.tier, model=wanted.model or None)
    [rule] = set_limits(connection, subject, {wanted.metric: granted}, change, now=now)
    _answer(connection, number, change, now, granted=granted)
    return rule


def decline_wish(connection: Connection, number: int, change: Change, now: Instant) -> Wish:
    """Raises what `_opened` raises."""
    _opened(connection, number)
    _answer(connection, number, change, now, granted=None)
    return _read(connection, _TABLE.c.id == number, 1)[0]


def _opened(connection: Connection, number: int) -> Wish:
    """Raises PuyunError `wish_not_found` (404) or `wish_answered` (409)."""
    found = _read(connection, _TABLE.c.id == number, 1)
    if not found:
        raise PuyunError("wish_not_found", 404, f"There is no request {number} for a limit.")
    if found[0].answer is not None:
        raise PuyunError("wish_answered", 409, f"The request {number} was answered already.")
    return found[0]


def _answer(connection: Connection, number: int, change: Change, now: Instant, *, granted: int | None) -> None:
    values = {"answered_at": now, "granted": granted, "answer": change.why, "answered_by": change.by}
    connection.execute(update(_TABLE).where(_TABLE.c.id == number).values(values))


def _read(connection: Connection, condition: ColumnElement[bool], most: int) -> list[Wish]:
    names = schema.organization.c.name.label("organization"), schema.user.c.email
    query = (
        select(_TABLE, *names)
        .join(schema.organization, schema.organization.c.id == _TABLE.c.org)
        .join(schema.user, schema.user.c.id == _TABLE.c.by)
        .where(condition)
        .order_by(_TABLE.c.id.desc())
        .limit(most)
    )
    return [_wish(row) for row in connection.execute(query)]


def _wish(row: Row[Any]) -> Wish:
    answer = None
    if row.answered_at is not None:
        answer = Answer(at=row.answered_at, granted=row.granted, text=row.answer, by=row.answered_by)
    return Wish(
        id=row.id,
        org=row.org,
        organization=row.organization,
        email=row.email,
        wanted=Wanted(tier=Tier(row.tier), model=row.model, metric=Metric(row.metric), amount=row.amount, why=row.why),
        asked_at=row.asked_at,
        answer=answer,
    )
