"""What writes of the control API came to, by their `Idempotency-Key`, kept in the transaction that did them.

There is one writer at a time (`storage.engine.writing`): of two that send the same key at once, the second finds the
outcome of the first.
"""

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.storage.control.tables import idempotency

KEPT = DAY

OUTCOMES_MAX = 5_000
"""Writes of one token within KEPT."""


class Outcome(msgspec.Struct, frozen=True):
    """`request`: SHA-256 of what was asked for; `sealed`: the body of the answer, sealed."""

    request: bytes
    status: int
    sealed: bytes


def find_outcome(connection: Connection, token: int, key: str, now: Instant) -> Outcome | None:
    """None where there is none of the last KEPT."""
    place = (idempotency.c.token == token) & (idempotency.c.key == key)
    row = connection.execute(select(idempotency).where(place, idempotency.c.created_at > now - KEPT)).first()
    return None if row is None else Outcome(row.request, row.status, row.sealed)


def keep_outcome(connection: Connection, token: int, key: str, outcome: Outcome, now: Instant) -> None:
    """Old ones are removed on the way. Raises PuyunError `too_many_writes` (429)."""
    connection.execute(delete(idempotency).where(idempotency.c.created_at <= now - KEPT))
    counted = select(func.count()).select_from(idempotency).where(idempotency.c.token == token)
    if connection.execute(counted).scalar_one() >= OUTCOMES_MAX:
        message = f"A token can write {OUTCOMES_MAX} times a day. Try again later."
        raise PuyunError("too_many_writes", 429, message, headers={"retry-after": "3600"})
    row = {"token": token, "key": key, "created_at": now} | msgspec.structs.asdict(outcome)
    connection.execute(insert(idempotency).values(row))
