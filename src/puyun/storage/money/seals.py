"""Closing hours: hashing what is over, and keeping the hashes. The chain is checked by the audit (A14).

An hour is over for records when no call that began in it is open, and ten minutes have passed for calls on their way
to a hold; the journal is taken as far as it stands. Hashing reads, so it locks nobody out; only the hashes are written.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, select

from puyun.kit.clock import HOUR, MINUTE, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.ids import call_started, first_call_at
from puyun.ledger.seal import NO_SEAL, Digest, Part, Rows, chain
from puyun.storage import schema
from puyun.storage.money import tables
from puyun.storage.money.chunks import chunks
from puyun.storage.money.posting import read

GRACE = 10 * MINUTE

LAYOUT = 1
LAYOUTS: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {
    1: (
        ("org", "number", "line", "entry", "debit", "credit", "amount", "at", "ref", "note"),
        (
            *("org", "call", "number", "key", "model", "deployment", "tier", "tier_requested", "status", "flags"),
            *("input", "cached_input", "cache_write", "cache_write_1h", "audio", "image_input"),
            *("output", "reasoning", "audio_output", "exact", "charge", "from_bonus", "held", "balance_after"),
            *("price_ids", "attempts", "queue_ms", "ttft_ms", "total_ms", "error"),
        ),
    )
}
"""The columns of journal and usage record that a seal covers, in order. A new column is a new layout: append only."""

_SEAL = tables.seal
_PART = tables.seal_part
_JOURNAL = schema.journal
_RECORD = schema.usage_record


class SealRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `seal`; `upto` is where it ends."""

    id: int
    upto: Instant
    layout: int
    hash: bytes
    sealed_at: Instant


NO_ROW = SealRow(id=0, upto=Instant(0), layout=LAYOUT, hash=NO_SEAL, sealed_at=Instant(0))


class Draft(msgspec.Struct, frozen=True):
    """A seal that was computed and is not kept yet."""

    seal: SealRow
    previous: SealRow
    parts: tuple[Part, ...]


def last_seal(connection: Connection) -> SealRow:
    """`NO_ROW` when there is none."""
    row = connection.execute(select(_SEAL).order_by(_SEAL.c.id.desc()).limit(1)).first()
    return NO_ROW if row is None else read(row, SealRow)


def draft_seal(connection: Connection, now: Instant, chunk: int) -> Draft | None:
    """Hash what closed since the last seal; None when nothing did. `connection` is in one consistent view."""
    previous = last_seal(connection)
    upto = _closed(connection, now)
    if upto <= previous.upto:
        return None
    parts: list[Part] = []
    for org, number in _changed(connection, previous, upto):
        digest = Digest()
        for rows in lines(connection, org, layout=LAYOUT, after=number, upto=None, chunk=chunk):
            digest.lines(rows)
        for rows in records(connection, org, layout=LAYOUT, start=previous.upto, end=upto, chunk=chunk):
            digest.records(rows)
        parts.append(digest.part(org, number))
    if not parts:
        return None
    link = chain(previous.hash, upto, LAYOUT, parts)
    seal = SealRow(id=previous.id + 1, upto=upto, layout=LAYOUT, hash=link, sealed_at=now)
    return Draft(seal, previous, tuple(parts))


def add_seal(connection: Connection, draft: Draft) -> SealRow:
    """Keep it. Raises PuyunError `sealed_already` (409) when another process was quicker."""
    if last_seal(connection) != draft.previous:
        raise PuyunError("sealed_already", 409, "Another process sealed these hours. See them: puyun seal list")
    connection.execute(insert(_SEAL).values(msgspec.structs.asdict(draft.seal)))
    parts = [msgspec.structs.asdict(part) | {"seal": draft.seal.id} for part in draft.parts]
    connection.execute(insert(_PART), parts)
    return draft.seal


def list_seals(connection: Connection, limit: int) -> list[SealRow]:
    """The newest first."""
    return [read(row, SealRow) for row in connection.execute(select(_SEAL).order_by(_SEAL.c.id.desc()).limit(limit))]


def lines(connection: Connection, org: int, *, layout: int, after: int, upto: int | None, chunk: int) -> Iterator[Rows]:
    """The journal of an organization after transaction `after`, up to `upto`, in chunks."""
    within = _JOURNAL.c.number > after if upto is None else _JOURNAL.c.number.between(after + 1, upto)
    columns = [_JOURNAL.c[name] for name in LAYOUTS[layout][0]]
    query = select(_JOURNAL.c.number).where(_JOURNAL.c.org == org, within)
    return _rendered(connection, query.order_by(_JOURNAL.c.number, _JOURNAL.c.line), columns, chunk)


def records(
    connection: Connection, org: int, *, layout: int, start: Instant, end: Instant, chunk: int
) -> Iterator[Rows]:
    """The records of calls that began in a span of time, in chunks."""
    within = and_(_RECORD.c.call >= first_call_at(start), _RECORD.c.call < first_call_at(end))
    columns = [_RECORD.c[name] for name in LAYOUTS[layout][1]]
    query = select(_RECORD.c.call).where(_RECORD.c.org == org, within).order_by(_RECORD.c.call)
    return _rendered(connection, query, columns, chunk)


def _rendered(
    connection: Connection, query: Select[int], columns: Sequence[ColumnElement[Any]], chunk: int
) -> Iterator[Rows]:
    """Each row's key and its columns as JSON. SQLite writes that itself, in half the time, and to the same letter."""
    if connection.dialect.name == "sqlite":
        yield from chunks(connection, query.add_columns(func.json_array(*columns)), chunk)
        return
    for rows in chunks(connection, query.add_columns(*columns), chunk):
        yield [(key, msgspec.json.encode(values).decode()) for key, *values in rows]


def _closed(connection: Connection, now: Instant) -> Instant:
    """The end of the last hour that is over."""
    oldest = connection.execute(select(func.min(schema.hold.c.call))).scalar()
    end = now - GRACE if oldest is None else min(now - GRACE, call_started(oldest))
    return Instant(end // HOUR * HOUR)


def _changed(connection: Connection, previous: SealRow, upto: Instant) -> list[tuple[int, int]]:
    """(organization, where its journal was sealed) of those with something new, in order."""
    wallet = schema.wallet
    sealed = select(_PART.c.org, func.max(_PART.c.number).label("number")).group_by(_PART.c.org).subquery()
    number = func.coalesce(sealed.c.number, 0)
    used = (
        select(_RECORD.c.org)
        .where(
            _RECORD.c.org == wallet.c.org,
            _RECORD.c.call >= first_call_at(previous.upto),
            _RECORD.c.call < first_call_at(upto),
        )
        .exists()
    )
    query = (
        select(wallet.c.org, number.label("number"))
        .select_from(wallet.outerjoin(sealed, sealed.c.org == wallet.c.org))
        .where((wallet.c.last > number) | used)
        .order_by(wallet.c.org)
    )
    return [(row.org, row.number) for row in connection.execute(query)]
