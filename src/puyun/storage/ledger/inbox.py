"""How calls ended, as the ledger's batches leave it for the tallies: one row a batch, written with the usage records.

Whoever adds up takes the rows out again (`puyun.storage.service.adding`). Adding up in the batch itself cost four to
thirteen times as much: a row for each organization, model and tier is a page for each.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter

import msgspec

from puyun.ledger.hold import Status
from puyun.metering.record import UsageRecord
from puyun.metering.usage import Usage

Refused = tuple[int, int, str, str | None, int]
"""(organization, model, tier, code it was told or None where its client went, milliseconds it had queued)."""

Noted = Mapping[Refused, int]
"""Calls that ended before they were held -> how many were alike."""

NOTHING: Noted = {}


class Ended(msgspec.Struct, array_like=True, frozen=True):
    """A call that was held and has ended, as far as its service level goes. The names are those of its usage record."""

    org: int
    model: int
    tier: str
    status: Status
    error: str | None
    queue_ms: int
    ttft_ms: int
    total_ms: int
    overhead_us: int | None
    usage: Usage


class Post(msgspec.Struct, array_like=True, frozen=True):
    """One row of the inbox. `refused`: with how many were alike."""

    ended: list[Ended]
    refused: list[tuple[Refused, int]]


_fields = attrgetter(*Ended.__struct_fields__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Post).decode


def post_of(records: Iterable[UsageRecord], noted: Noted) -> bytes:
    return _encode(([_fields(record) for record in records], list(noted.items())))


def read_post(content: bytes) -> Post:
    """Raises msgspec.DecodeError for anything that `post_of` did not write."""
    return _decode(content)
