"""Redeem codes. Only a hash is kept; a code goes from unused to used in the transaction that credits it."""

import hashlib
import re
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from puyun.kit.clock import DAY, Instant
from puyun.kit.money import TOPUP_MAX
from puyun.ledger.acts import grant
from puyun.ledger.acts.grant import Code, CodeKind, code_ref
from puyun.ledger.command import Posted, Reason, Refused
from puyun.storage import schema
from puyun.storage.money import tables
from puyun.storage.money.grants import give
from puyun.storage.money.posting import posted, read, refusal, unknown

_CODE = tables.redeem_code

PREFIX_LENGTH = 9


class CodeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `redeem_code` without its hash."""

    id: int
    prefix: str
    kind: CodeKind
    currency: str
    amount: int
    expires_at: Instant | None
    bonus_days: int | None
    note: str
    created_by: str
    created_at: Instant
    used_by: int | None
    used_at: Instant | None


class CodeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch of codes is worth. `bonus_days`: how long a gift lasts once it is used."""

    kind: CodeKind
    amount: int
    currency: str
    expires_at: Instant | None = None
    bonus_days: int | None = None
    note: str = ""
    by: str = ""


def add_codes(connection: Connection, spec: CodeSpec, codes: Sequence[str], now: Instant) -> list[CodeRow]:
    """Keep new codes. Raises PuyunError `invalid_amount` (400)."""
    if not 0 < spec.amount <= TOPUP_MAX:
        raise refusal(Refused(Reason.AMOUNT, spec.amount, TOPUP_MAX))
    common = {
        "kind": spec.kind,
        "currency": spec.currency,
        "amount": spec.amount,
        "expires_at": spec.expires_at,
        "bonus_days": spec.bonus_days,
        "note": spec.note,
        "created_by": spec.by,
        "created_at": now,
    }
    rows: list[CodeRow] = []
    for code in codes:
        values = common | {"hash": _hash(code), "prefix": code[:PREFIX_LENGTH]}
        rows.append(read(connection.execute(insert(_CODE).values(values).returning(*_SHOWN)).one(), CodeRow))
    return rows


def use_code(connection: Connection, org: int, text: str, *, by: str, now: Instant) -> Posted:
    """Credit a code to an organization; the one that used it gets its first answer again.

    Raises PuyunError `code_not_found` (404), `code_used`, `code_expired` or `currency_differs` (409).
    """
    row = connection.execute(select(*_SHOWN).where(_CODE.c.hash == _hash(text)).with_for_update()).first()
    if row is None:
        raise unknown("code", text[:PREFIX_LENGTH])
    found = read(row, CodeRow)
    if found.used_by == org:
        first = posted(connection, org, code_ref(found.id))
        if first is not None:
            return first
    currency = connection.execute(select(schema.wallet.c.currency).where(schema.wallet.c.org == org)).scalar_one()
    code = Code(
        id=found.id,
        kind=found.kind,
        amount=found.amount,
        currency=found.currency,
        expires_at=found.expires_at,
        used_by=found.used_by,
    )
    ends = None if found.bonus_days is None or found.kind is CodeKind.SOLD else Instant(now + found.bonus_days * DAY)
    answer = give(connection, org, grant.redeem(org, code, currency, by=by, now=now), now, expires_at=ends)
    unused = update(_CODE).where(_CODE.c.id == found.id, _CODE.c.used_by.is_(None))
    if connection.execute(unused.values(used_by=org, used_at=now)).rowcount != 1:
        raise refusal(Refused(Reason.USED))
    return answer


def list_codes(connection: Connection, *, used: bool | None) -> list[CodeRow]:
    """Newest first."""
    query = select(*_SHOWN).order_by(_CODE.c.id.desc())
    if used is not None:
        query = query.where(_CODE.c.used_by.is_not(None) if used else _CODE.c.used_by.is_(None))
    return [read(row, CodeRow) for row in connection.execute(query)]


def open_value(connection: Connection) -> int:
    """What all unused codes are worth, in nano-units."""
    return int(connection.execute(select(func.sum(_CODE.c.amount)).where(_CODE.c.used_by.is_(None))).scalar() or 0)


def _hash(code: str) -> bytes:
    """Spaces, dashes and case are the reader's."""
    return hashlib.sha256(re.sub(r"[^a-z0-9]", "", code.lower()).encode()).digest()


_SHOWN = tuple(column for column in _CODE.c if column.name != "hash")
