"""What wanted prices would change, before they are set: what each meter would really cost, and what last month would have.

A meter without a price of its own is billed as another one, so a new row may change several meters and a withdrawn one
may make calls dearer. That is why both are read off the whole book, and never off the rows alone.
"""

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from puyun.catalog.model import METERS, Price, Tier
from puyun.kit.clock import Instant
from puyun.metering.usage import Usage
from puyun.pricing.pricebook import PriceBook, PriceRow
from puyun.pricing.rate import rate

MOST_AFFECTED = 10


class Effect(msgspec.Struct, frozen=True):
    """What a token of one meter costs before and from `at` on, fallbacks resolved, pico-units; None: not sold."""

    model: str
    tier: Tier
    meter: str
    at: Instant
    before: int | None
    after: int | None

    @property
    def dearer(self) -> bool:
        return self.before is not None and self.after is not None and self.after > self.before


class Cell(msgspec.Struct, frozen=True):
    """What one organization used of one offer in a period. `charge` in nano-units: what was taken for it."""

    org: int
    model: str
    tier: Tier
    usage: Usage
    charge: int


class Impact(msgspec.Struct, frozen=True):
    """A period's usage: what it was charged (nano-units), and what it comes to at two states of the book (pico-units)."""

    charged: int = 0
    before: int = 0
    after: int = 0

    @property
    def difference(self) -> int:
        return self.after - self.before

    def __add__(self, other: "Impact") -> "Impact":
        return Impact(self.charged + other.charged, self.before + other.before, self.after + other.after)


def proposed(book: PriceBook, prices: Iterable[Price], now: Instant) -> PriceBook:
    """The book with prices that are not in it yet; one without a start begins now."""
    number = max(book.by_id, default=0)
    rows = [
        PriceRow(
            id=number + place,
            model=price.model,
            tier=price.tier,
            meter=price.meter,
            amount=price.amount,
            effective_from=now if price.effective_from is None else Instant(price.effective_from),
            created_at=now,
        )
        for place, price in enumerate(prices, 1)
    ]
    return book.with_rows(rows)


def effects(book: PriceBook, wanted: PriceBook, prices: Iterable[Price], now: Instant) -> list[Effect]:
    """Every meter whose cost differs at a moment at which one of `prices` begins; `wanted` is the book with them."""
    moments: defaultdict[tuple[str, Tier], set[Instant]] = defaultdict(set)
    for price in prices:
        start = now if price.effective_from is None else Instant(price.effective_from)
        moments[price.model, price.tier].add(start)
    found: list[Effect] = []
    for (model, tier), starts in moments.items():
        for start in sorted(starts):
            old, new = _costs(book, model, tier, start), _costs(wanted, model, tier, start)
            found += [
                Effect(model, tier, meter, start, old.get(meter), new.get(meter))
                for meter in METERS
                if old.get(meter) != new.get(meter)
            ]
    return found


def short_notice(found: Iterable[Effect], now: Instant, notice: int) -> list[Effect]:
    """Increases that begin sooner than `notice` microseconds from now. Decreases and new offers need no notice."""
    return [effect for effect in found if effect.dearer and effect.at < now + notice]


def impact(
    book: PriceBook, wanted: PriceBook, cells: Iterable[Cell], *, now: Instant, then: Instant
) -> dict[int, Impact]:
    """By organization, for the offers that cost another sum: `cells` at the prices of `book` now and of `wanted` then.

    An offer that is not sold at either moment is left out: there is nothing to compare.
    """
    found: defaultdict[int, Impact] = defaultdict(Impact)
    for cell in cells:
        old, new = book.rates(cell.model, cell.tier, now), wanted.rates(cell.model, cell.tier, then)
        if old is None or new is None or old.prices == new.prices:
            continue
        before, after = rate(cell.usage, old).exact, rate(cell.usage, new).exact
        found[cell.org] += Impact(cell.charge, before, after)
    return dict(found)


def most_affected(impacts: dict[int, Impact]) -> list[tuple[int, Impact]]:
    """The organizations whose bill changes most, either way."""
    changed = [(org, each) for org, each in impacts.items() if each.difference]
    return sorted(changed, key=lambda pair: (-abs(pair[1].difference), pair[0]))[:MOST_AFFECTED]


def _costs(book: PriceBook, model: str, tier: Tier, at: Instant) -> dict[str, int]:
    rates = book.rates(model, tier, at)
    return {} if rates is None else {meter: rate.price for meter, rate in rates.by_meter.items()}
