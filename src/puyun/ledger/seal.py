"""Seals: what was true when an hour closed, as hashes in a chain, so that a row edited later is found.

Lines and records are hashed as JSON arrays without blanks, in key order, one organization at a time; a seal covers the
parts of all organizations and the seal before it. Who keeps a copy of the last hash can prove every row before it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from operator import itemgetter

import msgspec

NO_SEAL = bytes(32)
"""What stands before the first seal."""

Rows = Sequence[tuple[int, str]]
"""(transaction or call, the row as JSON)."""

_text = itemgetter(1)


class Part(msgspec.Struct, frozen=True):
    """One organization's part of a seal: its journal up to transaction `number`, `records` records, and their hash."""

    org: int
    number: int
    records: int
    hash: bytes


class Digest:
    """Feed an organization's lines and records in key order; then `part`."""

    def __init__(self) -> None:
        self._lines = hashlib.sha256()
        self._records = hashlib.sha256()
        self._fed = 0
        self._number = 0

    @property
    def empty(self) -> bool:
        return not self._fed and not self._number

    def lines(self, rows: Rows) -> None:
        if rows:
            self._lines.update("".join(map(_text, rows)).encode())
            self._number = rows[-1][0]

    def records(self, rows: Rows) -> None:
        self._records.update("".join(map(_text, rows)).encode())
        self._fed += len(rows)

    def part(self, org: int, number: int) -> Part:
        """`number`: where the organization's journal stood before; it stays there if no line was fed."""
        whole = hashlib.sha256(self._lines.digest() + self._records.digest()).digest()
        return Part(org, self._number or number, self._fed, whole)


def chain(previous: bytes, upto: int, layout: int, parts: Iterable[Part]) -> bytes:
    """A seal's hash: over the seal before it and its parts in the order of organizations. `layout`: which columns."""
    digest = hashlib.sha256(previous + msgspec.json.encode((upto, layout)))
    for part in sorted(parts, key=lambda part: part.org):
        digest.update(msgspec.json.encode((part.org, part.number, part.records, part.hash.hex())))
    return digest.digest()
