"""Writes that can be sent again: the answer is kept in the transaction that did the work, and given again for a day.

A body may hold a secret of which the platform keeps only a hash; so it is kept sealed with the token that was used, of
which the platform keeps only a hash too. A refusal changes nothing and is not kept.
"""

import hashlib
from collections.abc import Callable
from typing import Annotated

import msgspec
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from puyun.control.access import Caller
from puyun.kit.errors import PuyunError
from puyun.storage.control.outcomes import Outcome, find_outcome, keep_outcome
from puyun.storage.control.tokens import Bearer
from puyun.storage.engine import writing
from puyun.system.sealing import key_of, seal, unseal

REPLAYED = "idempotency-replayed"

_DESCRIPTION = (
    "Any name of yours for this write, such as a random UUID. Sent again within a day, it gets the same answer."
)


class Named(msgspec.Struct, frozen=True):
    """A write under the name that its sender gave it. `request`: SHA-256 of what is asked for."""

    name: str
    request: bytes


async def named(
    request: Request,
    name: Annotated[
        str,
        Header(alias="Idempotency-Key", pattern=r"^[!-~]+$", min_length=1, max_length=200, description=_DESCRIPTION),
    ],
) -> Named:
    """A dependency of every write. The body is bounded before it gets here."""
    asked = f"{request.method} {request.url.path}\n".encode() + await request.body()
    return Named(name, hashlib.sha256(asked).digest())


Once = Annotated[Named, Depends(named)]


def once(caller: Caller, write: Named, status: int, act: Callable[[Connection, Bearer], BaseModel]) -> Response:
    """`act` in one transaction with the keeping of its answer; for a write that was done, its answer.

    Raises what `act` raises, `idempotency_key_reused` (422), and what a call without permission gets.
    """
    token = caller.bearer.token.id
    purpose = f"{token} {write.name}".encode()
    with writing(caller.deps.engine) as connection:
        bearer = caller.again(connection)
        kept = find_outcome(connection, token, write.name, caller.now)
        if kept is not None:
            if kept.request != write.request:
                text = "This Idempotency-Key was used for another write. Use a new one for each."
                raise PuyunError("idempotency_key_reused", 422, text, param="Idempotency-Key")
            return _answer(kept.status, unseal(key_of(caller.secret), purpose, kept.sealed), {REPLAYED: "true"})
        body = act(connection, bearer).model_dump_json().encode()
        outcome = Outcome(write.request, status, seal(key_of(caller.secret), purpose, body))
        keep_outcome(connection, token, write.name, outcome, caller.now)
    return _answer(status, body, {})


def _answer(status: int, body: bytes, headers: dict[str, str]) -> Response:
    return Response(body, status, headers, "application/json")
