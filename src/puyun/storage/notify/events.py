"""Events: written in the transaction of their cause, listed, and marked when they have been passed on."""

import logging

import msgspec
from sqlalchemy import Connection, Row, literal, select, update

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, Instant, hour_of
from puyun.notices.kinds import KIND_OF, Kind, Moment, Payload, PriceAnnounced, read_payload
from puyun.storage import schema
from puyun.storage.budgets.tables import event
from puyun.storage.engine import upsert
from puyun.storage.ledger.codes import TIER_CODE

USED_WITHIN = 30 * DAY
"""Whoever used a model within this time is told of its prices."""

PAGE = 50

_EVENT = event

log = logging.getLogger("puyun.events")


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it is kept."""

    id: int
    org: int
    kind: Kind
    at: Instant
    payload: Payload


class EventPage(msgspec.Struct, frozen=True):
    """The newest first; `before` is the cursor of the next page, None at the end."""

    rows: list[Happened]
    before: int | None


def happened(connection: Connection, org: int, payload: Payload, *, subject: str, now: Instant) -> None:
    """Keep an event. `subject` makes it one among those of its kind: a second one of the same changes nothing."""
    row = {
        "org": org,
        "kind": KIND_OF[type(payload)],
        "subject": subject,
        "at": now,
        "data": msgspec.json.encode(payload).decode(),
    }
    connection.execute(upsert(connection, _EVENT).values(row).on_conflict_do_nothing())


def announce_price(connection: Connection, announced: PriceAnnounced, model: int, now: Instant) -> None:
    """To every organization that used the model at this tier; once for all meters that change together."""
    used = schema.rollup_hour
    since = hour_of(Instant(max(now - USED_WITHIN, 0)))
    users = (
        select(
            used.c.org,
            literal(Kind.PRICE_ANNOUNCED.value),
            literal(f"{model}:{announced.tier}:{announced.effective_from}:{now}"),
            literal(now, schema.When),
            literal(msgspec.json.encode(announced).decode()),
        )
        .where(used.c.model == model, used.c.tier == TIER_CODE[Tier(announced.tier)], used.c.hour >= since)
        .distinct()
    )
    told_of = upsert(connection, _EVENT).from_select(["org", "kind", "subject", "at", "data"], users)
    connection.execute(told_of.on_conflict_do_nothing())


def price_announced(model: str, tier: str, effective_from: Instant) -> PriceAnnounced:
    return PriceAnnounced(model=model, tier=tier, effective_from=Moment(effective_from))


def page_of_events(
    connection: Connection, org: int, kinds: tuple[Kind, ...], *, before: int | None = None, most: int = PAGE
) -> EventPage:
    """Events of these kinds, older than the cursor."""
    query = select(_EVENT).where(_EVENT.c.org == org, _EVENT.c.kind.in_(kinds))
    if before is not None:
        query = query.where(_EVENT.c.id < before)
    rows = list(connection.execute(query.order_by(_EVENT.c.id.desc()).limit(most + 1)))
    shown = [found for row in rows[:most] if (found := _happened(row)) is not None]
    return EventPage(shown, rows[most - 1].id if len(rows) > most else None)


def any_untold(connection: Connection) -> bool:
    return connection.execute(select(_EVENT.c.id).where(_EVENT.c.told_at.is_(None)).limit(1)).first() is not None


def untold(connection: Connection, most: int) -> list[Happened]:
    """What has not been passed on, the oldest first; what no version of ours knows counts as told."""
    query = select(_EVENT).where(_EVENT.c.told_at.is_(None)).order_by(_EVENT.c.id).limit(most)
    rows = list(connection.execute(query))
    known = [found for row in rows if (found := _happened(row)) is not None]
    strange = {row.id for row in rows} - {each.id for each in known}
    if strange:
        connection.execute(update(_EVENT).where(_EVENT.c.id.in_(strange)).values(told_at=_EVENT.c.at))
    return known


def told(connection: Connection, event_id: int, now: Instant) -> None:
    connection.execute(update(_EVENT).where(_EVENT.c.id == event_id).values(told_at=now))


def forget_person(connection: Connection, user: int) -> None:
    """Takes the address of somebody who goes for good out of what is kept."""
    query = select(_EVENT.c.id, _EVENT.c.kind, _EVENT.c.data).where(
        _EVENT.c.kind.in_((Kind.MEMBER_JOINED, Kind.MEMBER_REMOVED)), _EVENT.c.subject.like(f"{user}:%")
    )
    for row in connection.execute(query).all():
        payload = msgspec.structs.replace(read_payload(Kind(row.kind), row.data), email="")
        data = msgspec.json.encode(payload).decode()
        connection.execute(update(_EVENT).where(_EVENT.c.id == row.id).values(data=data))


def _happened(row: Row[*tuple[object, ...]]) -> Happened | None:
    """None for a payload of a version that is not ours."""
    fields = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row as a mapping
    try:
        kind = Kind(fields["kind"])
        payload = read_payload(kind, fields["data"])
    except (ValueError, msgspec.ValidationError):
        log.warning("event_not_understood", extra={"kind": fields["kind"], "number": fields["id"]})
        return None
    return Happened(id=fields["id"], org=fields["org"], kind=kind, at=fields["at"], payload=payload)
