"""Dated prices by (model, tier, meter), and the rates in force at a moment."""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from puyun.catalog.model import Kind, Tier
from puyun.kit.clock import Instant
from puyun.metering.usage import BUCKETS, INPUT_BUCKETS, OUTPUT_BUCKETS

FALLBACK = {
    "cached_input": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "image_input": "input",
    "reasoning": "output",
}
"""A meter without a price of its own is priced as another one, by name (DESIGN 4.3); that one may itself fall back,
so it stands further up."""


class Revocation(msgspec.Struct, frozen=True):
    """An announced price that was called off before it began, by whom and why."""

    at: Instant
    by: str = ""
    reason: str = ""


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the book. `amount`: micro-units per million tokens, None from when the price is withdrawn."""

    id: int
    model: str
    tier: Tier
    meter: str
    amount: int | None
    effective_from: Instant
    created_at: Instant
    created_by: str = ""
    reason: str = ""
    revoked: Revocation | None = None


class Rate(msgspec.Struct, frozen=True):
    """What one token of a meter costs: pico-units, and the row that says so."""

    price: int
    price_id: int


class Rates(msgspec.Struct, frozen=True):
    """All rates of one offer at one moment, fallbacks resolved; pinned to a call when it is admitted.

    `own` holds the meters that have a row of their own, `by_meter` those plus the ones that fall back.
    """

    by_meter: dict[str, Rate]
    own: dict[str, Rate]
    price_ids: str
    """The ids of the rows in `own`, in order: `"12 13"`, as a usage record keeps them."""
    until: Instant | None
    """When the next row takes effect; None when no change is known."""
    prices: tuple[int, ...]
    """Pico-units a token by bucket, in the order of `metering.usage.BUCKETS`; 0 where the offer has no rate."""
    gaps: tuple[str, ...]
    """The buckets without a rate."""
    dearest_input: int
    """Pico-units of the dearest kind of input token that the offer sells; 0 when it sells none."""
    dearest_output: int
    """The same for output tokens."""

    def serves(self, kind: Kind) -> bool:
        """Whether every meter that any call of this kind uses has a rate (I17); without one nothing is sold."""
        return "input" in self.by_meter and (kind is not Kind.CHAT or "output" in self.by_meter)


class PriceBook:
    """Immutable. Of rows with the same start the one with the higher id wins; a revoked row never takes effect."""

    def __init__(self, rows: Iterable[PriceRow]) -> None:
        cells: defaultdict[tuple[str, Tier], defaultdict[str, list[PriceRow]]] = defaultdict(lambda: defaultdict(list))
        self.by_id: dict[int, PriceRow] = {}
        """Every row, revoked ones too, in the order in which they take effect."""
        for row in sorted(rows, key=lambda row: (row.effective_from, row.id)):
            self.by_id[row.id] = row
            if row.revoked is None:
                cells[row.model, row.tier][row.meter].append(row)
        self._cells = cells

    def offers(self) -> list[tuple[str, Tier]]:
        """Every (model, tier) that has or had a price, in name order."""
        return sorted(self._cells)

    def rates(self, model: str, tier: Tier, now: Instant) -> Rates | None:
        """The rates in force, or None when the offer has no price for input at this moment: it is then not sold."""
        meters = self._cells.get((model, tier))
        if meters is None:
            return None
        own: dict[str, Rate] = {}
        until: Instant | None = None
        for meter, rows in meters.items():
            amount, row_id = None, 0
            for row in rows:
                if row.effective_from > now:
                    until = row.effective_from if until is None else min(until, row.effective_from)
                    break
                amount, row_id = row.amount, row.id
            if amount is not None:
                own[meter] = Rate(amount, row_id)
        if "input" not in own and "image" not in own:
            return None
        price_ids = " ".join(str(price_id) for price_id in sorted(rate.price_id for rate in own.values()))
        return _rates(own, price_ids, until)

    def recorded(self, price_ids: str) -> Rates:
        """The rates behind a usage record's `price_ids`, whatever has changed since. Raises KeyError."""
        rows = [self.by_id[int(price_id)] for price_id in price_ids.split()]
        own = {row.meter: Rate(row.amount or 0, row.id) for row in rows}
        return _rates(own, price_ids, None)

    def upcoming(self, model: str, tier: Tier, now: Instant) -> list[PriceRow]:
        """Announced changes of an offer that have not begun, soonest first."""
        return [row for row in self.announced(now) if (row.model, row.tier) == (model, tier)]

    def announced(self, now: Instant) -> list[PriceRow]:
        """All of them, of every offer, in the order in which they take effect."""
        return [row for row in self.by_id.values() if row.effective_from > now and row.revoked is None]

    def with_rows(self, rows: Iterable[PriceRow]) -> "PriceBook":
        """The book as it would be with these rows too."""
        return PriceBook([*self.by_id.values(), *rows])

    def history(self, model: str) -> list[PriceRow]:
        """Every row of a model, revoked ones too, oldest first."""
        return [row for row in self.by_id.values() if row.model == model]


def _rates(own: dict[str, Rate], price_ids: str, until: Instant | None) -> Rates:
    by_meter = dict(own)
    for meter, other in FALLBACK.items():
        if meter not in own and other in by_meter:
            by_meter[meter] = by_meter[other]
    return Rates(
        by_meter=by_meter,
        own=own,
        price_ids=price_ids,
        until=until,
        prices=tuple(by_meter[bucket].price if bucket in by_meter else 0 for bucket in BUCKETS),
        gaps=tuple(bucket for bucket in BUCKETS if bucket not in by_meter),
        dearest_input=_dearest(by_meter, INPUT_BUCKETS),
        dearest_output=_dearest(by_meter, OUTPUT_BUCKETS),
    )


def _dearest(by_meter: dict[str, Rate], meters: tuple[str, ...]) -> int:
    return max((by_meter[meter].price for meter in meters if meter in by_meter), default=0)
