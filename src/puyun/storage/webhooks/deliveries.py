"""Deliveries: queued with their event, taken by one process at a time, tried until they are taken, kept for a month."""

from collections.abc import Collection, Mapping
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from puyun.kit.clock import DAY, SECOND, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import format_id, parse_id
from puyun.notices.kinds import PING, Payload, message, told
from puyun.notices.retry import again_at
from puyun.storage.engine import upsert
from puyun.storage.notify.events import Happened
from puyun.storage.webhooks.tables import delivery, webhook
from puyun.storage.webhooks.webhooks import PREFIX, Status, Webhook, delivered_to, failed_at, purpose
from puyun.system.vault import Vault

KEPT = 30 * DAY
PAGE = 50
ANSWER_MAX = 500
"""Characters of an answer that are kept."""

LEASE = 60 * SECOND
"""A process that took a delivery and says nothing for so long has died; another one may try it."""

WAITING_MAX = 10_000
"""Deliveries of one webhook that wait; what happens beyond that is not sent."""

PINGS_MAX = 3
"""Pings of one webhook that wait."""

MESSAGE = "msg"

_D, _HOOK = delivery, webhook


class State(StrEnum):
    """How a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """As the log shows it. `took_ms`, `code`, `answer`, `error` are of the last try."""

    id: int
    org: int
    webhook: int
    event: int | None
    kind: str
    body: str
    status: State
    tries: int
    next_at: Instant | None
    created_at: Instant
    tried_at: Instant | None
    took_ms: int | None
    code: int | None
    answer: str
    error: str


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that this process is to try now. `secrets` are open: it has no readable form."""

    id: int
    org: int
    webhook: int
    url: str
    body: bytes
    secrets: tuple[str, ...]
    tries: int

    @property
    def message(self) -> str:
        """Its `webhook-id`."""
        return format_id(MESSAGE, self.id)

    def __repr__(self) -> str:
        return f"Taken({self.message})"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a try. `code` None: no answer, and `error` says why."""

    took_ms: int
    code: int | None = None
    answer: str = ""
    error: str = ""

    @property
    def good(self) -> bool:
        return self.code is not None and 200 <= self.code < 300


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries. `before`: older than this one."""

    webhook: int | None = None
    status: State | None = None
    before: int | None = None


# --- queueing ------------------------------------------------------------------------------------------------------
def queue_event(connection: Connection, event: Happened, now: Instant) -> int:
    """One delivery for each webhook that wants it; returns how many."""
    query = select(_HOOK.c.id, _HOOK.c.kinds).where(
        _HOOK.c.org == event.org, _HOOK.c.status == Status.ACTIVE, _HOOK.c.deleted_at.is_(None)
    )
    hooks = [row.id for row in connection.execute(query) if event.kind in msgspec.json.decode(row.kinds)]
    body = _body(event.kind, event.org, event.at, event.payload, event.id)
    queued = 0
    for hook in hooks:
        if _waiting(connection, hook) < WAITING_MAX:
            row = _row(event.org, hook, event.kind, body, now) | {"event": event.id}
            queued += connection.execute(upsert(connection, _D).values(row).on_conflict_do_nothing()).rowcount
    return queued


def queue_ping(connection: Connection, hook: Webhook, now: Instant) -> Delivery:
    """Also to one that is paused. Raises PuyunError `too_many_waiting` (429)."""
    pings = (_D.c.webhook == hook.id) & (_D.c.kind == PING) & _D.c.next_at.is_not(None)
    if connection.execute(select(func.count()).where(pings)).scalar_one() >= PINGS_MAX:
        text = "Some tests of this webhook have not been taken yet. Look at the log, and wait for them."
        raise PuyunError("too_many_waiting", 429, text, headers={"retry-after": "60"})
    body = message(PING, hook.org, now, {"webhook": format_id(PREFIX, hook.id)}, event=None).decode()
    row = _row(hook.org, hook.id, PING, body, now)
    return _delivery(connection.execute(insert(_D).values(row).returning(_D)).one())


def replay(connection: Connection, one: Delivery, now: Instant) -> Delivery:
    """Once more, with the same id. One that waits is tried at once. Raises PuyunError `webhook_not_found` (404)."""
    live = select(_HOOK.c.id).where(_HOOK.c.id == one.webhook, _HOOK.c.deleted_at.is_(None))
    if connection.execute(live).first() is None:
        raise PuyunError("webhook_not_found", 404, "The webhook of this delivery was deleted.")
    idle = (_D.c.id == one.id) & (_D.c.org == one.org)
    row = connection.execute(
        update(_D).where(idle).values(status=State.WAITING, tries=0, next_at=now, error="").returning(_D)
    ).one()
    return _delivery(row)


# --- trying --------------------------------------------------------------------------------------------------------
def any_due(connection: Connection, now: Instant) -> bool:
    return connection.execute(select(_D.c.id).where(_D.c.next_at <= now).limit(1)).first() is not None


def take_due(
    connection: Connection, vault: Vault, now: Instant, *, most: int, per_org: int, busy: Mapping[int, int]
) -> list[Taken]:
    """Deliveries to try now, at most `per_org` of an organization, counting those in `busy` that are on their way.

    Their turn moves to the end of a lease, so that no other process takes them, and one that dies loses none.
    """
    full = [org for org, count in busy.items() if count >= per_org]
    turn = func.row_number().over(partition_by=_D.c.org, order_by=(_D.c.next_at, _D.c.id)).label("turn")
    due = select(_D.c.id, _D.c.org, _D.c.next_at, turn).where(_D.c.next_at <= now, _D.c.org.not_in(full)).subquery()
    chosen = select(due.c.id, due.c.org, due.c.turn).where(due.c.turn <= per_org).order_by(due.c.turn, due.c.next_at)
    rows = connection.execute(chosen.limit(most)).all()
    numbers = [row.id for row in rows if row.turn + busy.get(row.org, 0) <= per_org]
    if not numbers:
        return []
    connection.execute(
        update(_D).where(_D.c.id.in_(numbers)).values(next_at=now + LEASE, tries=_D.c.tries + 1, tried_at=now)
    )
    columns = (_HOOK.c.url, _HOOK.c.secret, _HOOK.c.before, _HOOK.c.before_until)
    query = select(_D, *columns).join(_HOOK, _HOOK.c.id == _D.c.webhook).where(_D.c.id.in_(numbers)).order_by(_D.c.id)
    return [_taken(row, vault, now) for row in connection.execute(query)]


def record(connection: Connection, taken: Taken, outcome: Outcome, *, dice: int, now: Instant) -> None:
    """What came of a try. One that was called off meanwhile stays so."""
    again = None if outcome.good else again_at(taken.tries, now, dice)
    status = State.DELIVERED if outcome.good else State.FAILED if again is None else State.WAITING
    values = msgspec.structs.asdict(outcome) | {"status": status, "next_at": again}
    waiting = (_D.c.id == taken.id) & (_D.c.status == State.WAITING)
    kind = connection.execute(update(_D).where(waiting).values(values).returning(_D.c.kind)).scalar()
    if outcome.good:
        delivered_to(connection, taken.webhook)
    elif kind is not None and kind != PING:
        failed_at(connection, taken.webhook, now, now)


def prune(connection: Connection, now: Instant, most: int) -> int:
    """Removes what is older than KEPT, and deleted webhooks with nothing left; returns how many deliveries went."""
    old = select(_D.c.id).where(_D.c.created_at <= now - KEPT, _D.c.next_at.is_(None)).order_by(_D.c.created_at)
    gone = connection.execute(delete(_D).where(_D.c.id.in_(old.limit(most)))).rowcount
    left = exists(select(_D.c.id).where(_D.c.webhook == _HOOK.c.id))
    connection.execute(delete(_HOOK).where(_HOOK.c.deleted_at.is_not(None), ~left))
    return gone


# --- the log -------------------------------------------------------------------------------------------------------
def page_of_deliveries(connection: Connection, org: int, wanted: Wanted) -> tuple[list[Delivery], int | None]:
    """The newest first, and the cursor of the next page."""
    query = select(_D).where(_D.c.org == org).order_by(_D.c.id.desc()).limit(PAGE + 1)
    if wanted.webhook is not None:
        query = query.where(_D.c.webhook == wanted.webhook)
    if wanted.status is not None:
        query = query.where(_D.c.status == wanted.status)
    if wanted.before is not None:
        query = query.where(_D.c.id < wanted.before)
    rows = [_delivery(row) for row in connection.execute(query)]
    return rows[:PAGE], rows[PAGE - 1].id if len(rows) > PAGE else None


def find_delivery(connection: Connection, org: int, text: str) -> Delivery:
    """By its `webhook-id`. Raises PuyunError `delivery_not_found` (404), also for somebody else's."""
    number = delivery_number(text)
    row = None
    if number is not None:
        row = connection.execute(select(_D).where(_D.c.org == org, _D.c.id == number)).first()
    if row is None:
        raise PuyunError("delivery_not_found", 404, "The organization has no such delivery; they are kept for 30 days.")
    return _delivery(row)


def delivery_number(text: str) -> int | None:
    """Of `msg_…`; None for anything else."""
    try:
        number = parse_id(MESSAGE, text)
    except ValueError:
        return None
    return number if number < 1 << 63 else None


def _waiting(connection: Connection, hook: int) -> int:
    query = select(func.count()).where(_D.c.webhook == hook, _D.c.status == State.WAITING)
    return connection.execute(query).scalar_one()


def _body(kind: str, org: int, at: Instant, payload: Payload, event: int) -> str:
    return message(kind, org, at, told(payload), event=event, version=payload.version).decode()


def _row(org: int, hook: int, kind: str, body: str, now: Instant) -> dict[str, object]:
    return {"org": org, "webhook": hook, "kind": kind, "body": body, "created_at": now, "next_at": now}


def _taken(row: Row[*tuple[object, ...]], vault: Vault, now: Instant) -> Taken:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    sealed: Collection[bytes] = [found["secret"]]
    if found["before"] is not None and found["before_until"] > now:
        sealed = [found["secret"], found["before"]]
    secrets = tuple(vault.unseal(purpose(found["webhook"]), each).decode() for each in sealed)
    return Taken(
        id=found["id"],
        org=found["org"],
        webhook=found["webhook"],
        url=found["url"],
        body=found["body"].encode(),
        secrets=secrets,
        tries=found["tries"],
    )


def _delivery(row: Row[*tuple[object, ...]]) -> Delivery:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    return msgspec.convert({name: found[name] for name in Delivery.__struct_fields__}, Delivery)
