"""A past charge computed again from what its record kept, to the last unit, and what differs."""

import msgspec

from puyun.kit.clock import Instant, format_instant
from puyun.kit.money import charge_of, format_amount, format_pico
from puyun.ledger.hold import ENDING, HoldEvent, Status
from puyun.metering.record import Flag
from puyun.metering.usage import Usage
from puyun.pricing.pricebook import PriceBook
from puyun.pricing.rate import rate

RESOLUTION = 1000
"""Microseconds: a call's id knows when it was admitted to the millisecond."""


class Charged(msgspec.Struct, frozen=True, kw_only=True):
    """A call as its record has it: `exact` in pico-units, `charge` in nano-units."""

    model: str
    tier: str
    admitted: Instant
    status: Status
    flags: Flag
    usage: Usage
    price_ids: str
    exact: int
    charge: int


class Rerated(msgspec.Struct, frozen=True):
    """`exact` (pico-units) and `rated` (nano-units) are what tokens and prices come to; `differences` are sentences."""

    record: Charged
    exact: int
    rated: int
    differences: tuple[str, ...]

    def described(self) -> dict[str, object]:
        record = self.record
        return {
            "equal": not self.differences,
            "status": record.status,
            "price_ids": record.price_ids,
            "exact": format_pico(record.exact),
            "exact_again": format_pico(self.exact),
            "charge": format_amount(record.charge),
            "charge_again": format_amount(self.rated),
            "differences": list(self.differences),
        }


def rerate(record: Charged, book: PriceBook) -> Rerated:
    """A call that was not completed comes to nothing, whatever it used; an overrun may be charged less (I10)."""
    try:
        rates = book.recorded(record.price_ids)
    except (KeyError, ValueError):
        return Rerated(record, 0, 0, (f"it names prices {record.price_ids!r}, not all of which exist",))
    found: list[str] = []
    for price in rates.own.values():
        row = book.by_id[price.price_id]
        if (row.model, row.tier) != (record.model, record.tier):
            found.append(f"price {row.id} is of {row.model} at {row.tier}, not of {record.model} at {record.tier}")
        if row.effective_from >= record.admitted + RESOLUTION:
            began = format_instant(row.effective_from)
            found.append(f"price {row.id} began {began}, after the call at {format_instant(record.admitted)}")
    free = ENDING[record.status] is not HoldEvent.SETTLE
    exact = 0 if free else rate(record.usage, rates).exact
    rated = charge_of(exact)
    if record.exact != exact and not (free and not record.exact):
        found.append(f"its exact cost is {format_pico(record.exact)}, tokens times prices are {format_pico(exact)}")
    if record.charge != rated and not (record.charge < rated and Flag.OVERRUN in record.flags):
        found.append(f"its charge is {format_amount(record.charge)}, it comes to {format_amount(rated)}")
    return Rerated(record, exact, rated, tuple(found))
