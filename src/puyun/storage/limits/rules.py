"""The rule book, row by row: a rule is added and may be ended; none is ever changed."""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.limits.policy import Policy, matches
from puyun.limits.rule import AMOUNT_MAX, AT_A_TIME, BURST_MAX, Metric, Rule, Scope, Subject
from puyun.storage import schema
from puyun.storage.engine import bump
from puyun.storage.limits.tables import limit_end, limit_rule

_MODEL = schema.model
_KEY = schema.api_key


class Ended(msgspec.Struct, frozen=True):
    """How a rule ended before its time."""

    at: Instant
    by: str
    why: str


class LimitRow(msgspec.Struct, frozen=True):
    """A rule, in force until `rule.ends`, and how it came to that."""

    rule: Rule
    ended: Ended | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Who changes the rule book and why, and when: `starts` and `ends` of what is set; None: now, and never."""

    by: str
    why: str = ""
    starts: Instant | None = None
    ends: Instant | None = None


def set_limits(
    connection: Connection,
    subject: Subject,
    amounts: Mapping[Metric, int | None],
    change: Change,
    *,
    burst: int | None = None,
    now: Instant,
) -> list[Rule]:
    """Add a rule for each amount (None: no limit). A start in the past becomes now; `burst` is for rates alone.

    Raises PuyunError `model_not_found`, `key_not_found` (404), `limit_dates` or `invalid_limit` (400).
    """
    _known(connection, subject)
    starts = max(change.starts or now, now)
    if change.ends is not None and change.ends <= starts:
        raise PuyunError("limit_dates", 400, "The limit would end before it begins.", param="to")
    _possible(subject, amounts, burst)
    numbers: list[int] = []
    for metric, amount in amounts.items():
        row = _columns(subject) | {
            "metric": metric,
            "amount": amount,
            "burst": None if metric in AT_A_TIME else burst,
            "starts": starts,
            "ends": change.ends,
            "why": change.why,
            "created_by": change.by,
            "created_at": now,
        }
        numbers.append(connection.execute(insert(limit_rule).values(row).returning(limit_rule.c.id)).scalar_one())
    bump(connection, "limits")
    return [row.rule for row in _load(connection, limit_rule.c.id.in_(numbers))]


def end_limits(
    connection: Connection, subject: Subject, metrics: Sequence[Metric], change: Change, *, now: Instant
) -> list[LimitRow]:
    """End the rules of just this subject, those to come too; all of them where no metrics are named.

    What is less specific is in force again. Raises PuyunError `limit_not_found` (404) where there is nothing to end.
    """
    same = [
        (limit_rule.c[name] == value) if value is not None else limit_rule.c[name].is_(None)
        for name, value in _columns(subject).items()
    ]
    found = [
        row.rule.id
        for row in _load(connection, *same)
        if (not metrics or row.rule.metric in metrics) and (row.rule.ends is None or row.rule.ends > now)
    ]
    if not found:
        raise PuyunError("limit_not_found", 404, "There is no such limit in force or to come.")
    ends = [{"rule": rule, "created_at": now, "why": change.why, "created_by": change.by} for rule in found]
    connection.execute(insert(limit_end), ends)
    bump(connection, "limits")
    return _load(connection, limit_rule.c.id.in_(found))


def copy_key_limits(connection: Connection, org: int, key: int, *, to: int, now: Instant) -> None:
    """The rules of one key that are in force or to come, for another key too; nothing is refused here.

    `to` is a key of the same organization.
    """
    rules = [row.rule for row in _load(connection, limit_rule.c.org == org, limit_rule.c.key == key)]
    rows = [
        {
            "scope": rule.scope,
            "org": org,
            "key": to,
            "tier": rule.tier,
            "model": rule.model,
            "metric": rule.metric,
            "amount": rule.amount,
            "burst": rule.burst,
            "starts": max(rule.starts or now, now),
            "ends": rule.ends,
            "why": rule.why,
            "created_by": rule.by,
            "created_at": now,
        }
        for rule in rules
        if rule.ends is None or rule.ends > now
    ]
    if rows:
        connection.execute(insert(limit_rule), rows)
        bump(connection, "limits")


def list_limits(connection: Connection, org: int | None = None) -> list[LimitRow]:
    """Every rule ever set for an organization and its keys, the oldest first; None: those for tiers and addresses."""
    return _load(connection, limit_rule.c.org.is_(None) if org is None else limit_rule.c.org == org)


def load_policy(connection: Connection, now: Instant, revision: int = 0) -> Policy:
    """All rules that are in force at `now` or later, and the models they may name."""
    models = {row.id: row.name for row in connection.execute(select(_MODEL.c.id, _MODEL.c.name))}
    return Policy(load_rules(connection, now), models, revision=revision)


def load_rules(connection: Connection, now: Instant) -> list[Rule]:
    """All rules that are in force at `now` or later."""
    over = (limit_rule.c.ends.is_not(None)) & (limit_rule.c.ends <= now)
    return [row.rule for row in _load(connection, ~over & limit_end.c.rule.is_(None))]


def _load(connection: Connection, *conditions: ColumnElement[bool]) -> list[LimitRow]:
    query = (
        select(
            limit_rule,
            limit_end.c.created_at.label("ended_at"),
            limit_end.c.created_by.label("ended_by"),
            limit_end.c.why.label("ended_why"),
        )
        .select_from(limit_rule.outerjoin(limit_end, limit_end.c.rule == limit_rule.c.id))
        .where(*conditions)
        .order_by(limit_rule.c.id)
    )
    return [_row(row) for row in connection.execute(query).mappings()]


def _row(row: RowMapping) -> LimitRow:
    ended = None if row["ended_at"] is None else Ended(row["ended_at"], row["ended_by"], row["ended_why"])
    announced: Instant | None = row["ends"]
    ends = announced if ended is None else min(announced or ended.at, ended.at)
    rule = Rule(
        id=row["id"],
        scope=Scope(row["scope"]),
        org=row["org"] or 0,
        key=row["key"] or 0,
        tier=None if row["tier"] is None else Tier(row["tier"]),
        model=row["model"],
        metric=Metric(row["metric"]),
        amount=row["amount"],
        burst=row["burst"],
        starts=row["starts"],
        ends=ends,
        why=row["why"],
        by=row["created_by"],
        created_at=row["created_at"],
    )
    return LimitRow(rule, ended)


def _columns(subject: Subject) -> dict[str, str | int | None]:
    return {
        "scope": subject.scope,
        "org": subject.org,
        "key": subject.key,
        "tier": subject.tier,
        "model": subject.model,
    }


def _possible(subject: Subject, amounts: Mapping[Metric, int | None], burst: int | None) -> None:
    if subject.scope is Scope.IP and AT_A_TIME & set(amounts):
        raise PuyunError("invalid_limit", 400, "Calls from one network address are limited by their rate alone.")
    for amount in amounts.values():
        if amount is not None and not 0 <= amount <= AMOUNT_MAX:
            raise PuyunError("invalid_limit", 400, f"A limit is between 0 and {AMOUNT_MAX}, or none.", param="amount")
    if burst is not None and not 0 < burst <= BURST_MAX:
        raise PuyunError("invalid_limit", 400, f"A burst is between 1 and {BURST_MAX} seconds.", param="burst")


def _known(connection: Connection, subject: Subject) -> None:
    """Raises PuyunError for a name that nothing has, since a rule with a slip in it would never be in force."""
    if subject.key is not None:
        owner = connection.execute(select(_KEY.c.org).where(_KEY.c.id == subject.key)).scalar()
        if owner != subject.org:
            raise PuyunError("key_not_found", 404, "The organization has no such key.", param="key")
    if subject.model is not None:
        names = connection.execute(select(_MODEL.c.name)).scalars()
        if not any(matches(subject.model, name) for name in names):
            message = f"No model is called {subject.model!r}. `puyun catalog export` lists the names."
            raise PuyunError("model_not_found", 404, message, param="model")
