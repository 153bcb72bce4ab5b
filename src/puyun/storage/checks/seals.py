"""A14: the seals compute again from the rows they cover, so that a row that was edited, added or removed is found."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from operator import itemgetter

from sqlalchemy import Connection, select

from puyun.kit.clock import format_instant
from puyun.kit.ids import first_call_at
from puyun.ledger.audit import Finding
from puyun.ledger.seal import Digest, Part, Rows, chain
from puyun.storage.checks.span import Span
from puyun.storage.money import tables
from puyun.storage.money.posting import read
from puyun.storage.money.seals import NO_ROW, SealRow, lines, records

CHUNK = 4000
"""Rows in memory at a time."""

_PART = tables.seal_part
_KEY = itemgetter(0)


class Seals:
    """All seals of a database, with what stands before the first."""

    def __init__(self, connection: Connection) -> None:
        rows = connection.execute(select(tables.seal).order_by(tables.seal.c.id))
        self.rows = [NO_ROW, *(read(row, SealRow) for row in rows)]
        self.runs = self._runs()

    def check_chain(self, connection: Connection) -> Iterator[Finding]:
        """Each seal covers its parts and the seal before it."""
        for before, seal in pairwise(self.rows):
            kept = connection.execute(select(_PART).where(_PART.c.seal == seal.id))
            parts = [Part(row.org, row.number, row.records, row.hash) for row in kept]
            if seal.id != before.id + 1 or seal.upto <= before.upto:
                yield Finding("A14", f"seal {seal.id}", f"it follows seal {before.id}")
            if seal.hash != chain(before.hash, seal.upto, seal.layout, parts):
                yield Finding("A14", f"seal {seal.id}", "it does not cover its parts and the seal before it")

    def _runs(self) -> list[list[SealRow]]:
        """Seals in a row that cover the same columns, each run with the seal before it."""
        runs: list[list[SealRow]] = []
        for before, seal in pairwise(self.rows):
            if runs and runs[-1][-1].layout == seal.layout:
                runs[-1].append(seal)
            else:
                runs.append([before, seal])
        return runs


def check_seals(span: Span, seals: Seals) -> Iterator[Finding]:
    """Every organization's part of every seal. The rows are read once, in key order."""
    for org in span.wallets:
        kept = span.connection.execute(select(_PART).where(_PART.c.org == org))
        parts = {row.seal: Part(row.org, row.number, row.records, row.hash) for row in kept}
        number = 0
        for run in seals.runs:
            digests = _digest(span.connection, org, number, run, parts)
            for seal, digest in zip(run[1:], digests, strict=True):
                part = parts.get(seal.id)
                derived = None if part is None and digest.empty else digest.part(org, number)
                number = number if part is None else part.number
                if part != derived:
                    hours = f"seal {seal.id}, until {format_instant(seal.upto)}"
                    yield span.finding("A14", org, hours, _difference(part, derived))


def _difference(part: Part | None, derived: Part | None) -> str:
    if part is None:
        return f"it has {derived.records if derived else 0} records and lines that were not there when it was sealed"
    if derived is None or part.records != derived.records:
        return f"{part.records} records were sealed, there are {derived.records if derived else 0}"
    return f"a line up to transaction {part.number}, or a record, is not what it was when it was sealed"


def _digest(connection: Connection, org: int, number: int, run: list[SealRow], parts: dict[int, Part]) -> list[Digest]:
    """What an organization's rows say each seal of a run should be. `number`: where its journal stood before."""
    before, *seals = run
    digests = [Digest() for _ in seals]
    layout, last = seals[0].layout, seals[-1].upto
    ends = [first_call_at(seal.upto) for seal in seals]
    found = records(connection, org, layout=layout, start=before.upto, end=last, chunk=CHUNK)
    for digest, rows in _cut(found, ends, digests):
        digest.records(rows)
    stood = [number + 1]  # where the journal ended at each seal; without a part there was nothing new
    for seal in seals:
        stood.append(parts[seal.id].number + 1 if seal.id in parts else stood[-1])
    found = lines(connection, org, layout=layout, after=number, upto=stood[-1] - 1, chunk=CHUNK)
    for digest, rows in _cut(found, stood[1:], digests):
        digest.lines(rows)
    return digests


def _cut(found: Iterator[Rows], ends: list[int], digests: list[Digest]) -> Iterator[tuple[Digest, Rows]]:
    """Chunks of rows in key order, cut where a key reaches the next end; each with the digest it belongs to."""
    place = 0
    for rows in found:
        start = 0
        while start < len(rows):
            while rows[start][0] >= ends[place]:
                place += 1
            end = bisect_left(rows, ends[place], lo=start, key=_KEY)
            yield digests[place], rows[start:end]
            start = end
