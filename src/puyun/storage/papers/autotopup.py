"""The rule of automatic top-ups of an organization. Nothing carries it out yet: no method can be charged by itself."""

import msgspec
from sqlalchemy import Connection, delete, select

from puyun.kit.clock import Instant
from puyun.kit.errors import PuyunError
from puyun.ledger.autotopup import Rule, faults
from puyun.storage.engine import upsert
from puyun.storage.papers.tables import auto_top_up

_RULE = auto_top_up


class KeptRule(msgspec.Struct, frozen=True, kw_only=True):
    """As it is now, and who set it when."""

    rule: Rule
    changed_at: Instant
    changed_by: str


def load_rule(connection: Connection, org: int) -> KeptRule | None:
    row = connection.execute(select(_RULE).where(_RULE.c.org == org)).first()
    if row is None:
        return None
    rule = Rule(below=row.below, amount=row.amount, month_max=row.month_max)
    return KeptRule(rule=rule, changed_at=row.changed_at, changed_by=row.changed_by)


def save_rule(connection: Connection, org: int, rule: Rule, *, by: str, now: Instant) -> KeptRule:
    """Raises PuyunError `invalid_rule` (400)."""
    for field, code in faults(rule):
        raise PuyunError("invalid_rule", 400, _TEXT[code], param=field)
    values = msgspec.structs.asdict(rule) | {"changed_at": now, "changed_by": by}
    insert = upsert(connection, _RULE).values(org=org, **values)
    connection.execute(insert.on_conflict_do_update(index_elements=["org"], set_=values))
    return KeptRule(rule=rule, changed_at=now, changed_by=by)


def end_rule(connection: Connection, org: int) -> None:
    """Ending what is not there changes nothing."""
    connection.execute(delete(_RULE).where(_RULE.c.org == org))


_TEXT = {
    "out_of_range": "The amount is too small or too large: a top-up is at least 1.00.",
    "below_amount": "The most in a month is at least one top-up.",
}
