"""Rows of tallies: what a batch of the ledger adds, and the shortening of what many batches have added."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from puyun.kit.clock import Instant
from puyun.metering.record import UsageRecord
from puyun.service.histogram import shortened
from puyun.service.tally import Tally
from puyun.service.verdict import INTERVAL
from puyun.storage.ledger.codes import TIER_CODE

Row = Sequence[Any]

Place = tuple[int, int, int]
"""(organization, model, tier's code)."""

Tallies = Mapping[Place, Tally]

NOTHING: Tallies = {}

SHORTEN_EVERY = 16
"""Batches after which a store looks for long texts among those it writes: a look costs as much as writing them."""


def interval_of(now: Instant) -> int:
    return now // INTERVAL


def added(records: Iterable[UsageRecord], noted: Tallies, now: Instant) -> list[Row]:
    """Rows of `add_tallies`, in the order of their key."""
    tallies: dict[Place, Tally] = {}
    for record in records:
        place = record.org, record.model, TIER_CODE[record.tier]
        tally = tallies.get(place)
        if tally is None:
            tally = tallies[place] = Tally()
        tally.observe(record)
    for place, more in noted.items():
        tallies.setdefault(place, Tally()).add(more)
    interval = interval_of(now)
    return [
        (org, interval, model, tier, *tally.counts, tally.seen) for (org, model, tier), tally in sorted(tallies.items())
    ]


def keys(rows: Iterable[Row]) -> list[Row]:
    """The places of rows, as `long_tallies` takes them."""
    return [row[:4] for row in rows]


def shorter(rows: Iterable[Row]) -> list[Row]:
    """Rows of `shorten_tallies` for what `long_tallies` found."""
    return [(*place, shortened(seen)) for *place, seen in rows]
