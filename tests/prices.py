"""Price rows from one line each: `3 input 250 from 10` is row 3, `-` for a withdrawal."""

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.pricing.pricebook import PriceBook, PriceRow


def row(line: str, *, model: str = "m", tier: Tier = Tier.FLEX) -> PriceRow:
    number, meter, amount, _, start = line.split()
    return PriceRow(
        id=int(number),
        model=model,
        tier=tier,
        meter=meter,
        amount=None if amount == "-" else int(amount),
        effective_from=Instant(int(start)),
        created_at=Instant(0),
    )


def book(table: str) -> PriceBook:
    return PriceBook(row(line) for line in table.strip().splitlines())
