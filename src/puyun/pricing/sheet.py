"""The price book as a spreadsheet: CSV in and out. The same prices always give the same bytes, and reading gives them back.

    model,tier,meter,price,from
    gpt-4o,flex,input,2.50,
    gpt-4o,flex,input,2.25,2026-12-01T00:00:00Z

`price` is a decimal string per million tokens or `withdrawn`; an empty `from` means now.
"""

import csv
from collections.abc import Iterable
from io import StringIO
from typing import cast

from puyun.catalog import field
from puyun.catalog.diff import starts
from puyun.catalog.fault import CatalogErrors, Fault, nearest
from puyun.catalog.model import METERS, TIERS, Price, Tier
from puyun.kit.clock import Instant, format_instant, parse_instant
from puyun.kit.money import format_price
from puyun.pricing.table import Readers, read_table

COLUMNS = ("model", "tier", "meter", "price", "from")
NEEDED = COLUMNS[:4]


def to_csv(prices: Iterable[Price]) -> str:
    """By model, tier, meter and start; lines end with a line feed."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for price in sorted(prices, key=_order):
        amount = field.WITHDRAWN if price.amount is None else format_price(price.amount)
        since = "" if price.effective_from is None else format_instant(Instant(price.effective_from))
        writer.writerow([price.model, price.tier, price.meter, amount, since])
    return text.getvalue()


def parse_csv(text: str, source: str) -> tuple[Price, ...]:
    """Raises CatalogErrors with every fault, each with its line. Columns may stand in any order; unknown ones are refused."""
    rows, faults = read_table(text, source, _READERS, NEEDED)
    found: list[Price] = []
    seen: dict[tuple[object, ...], int] = {}
    for line, values in rows:
        price = Price(
            model=cast("str", values["model"]),
            tier=cast("Tier", values["tier"]),
            meter=cast("str", values["meter"]),
            amount=cast("int | None", values["price"]),
            effective_from=cast("int | None", values.get("from")),
        )
        cell = (price.model, price.tier, price.meter, price.effective_from)
        if cell in seen:
            faults.append(Fault(line, price.model, f"a second price of this meter; the first is on line {seen[cell]}"))
        seen.setdefault(cell, line)
        found.append(price)
    if faults:
        raise CatalogErrors(source, faults)
    return tuple(found)


def _order(price: Price) -> tuple[str, int, int, int]:
    return price.model, TIERS.index(price.tier), METERS.index(price.meter), starts(price)


def _meter(text: str) -> str:
    if text not in METERS:
        raise field.FieldError(f"there is no meter {text!r}{nearest(text, METERS)}")
    return text


def _moment(text: str) -> Instant | None:
    if not text:
        return None
    try:
        moment = parse_instant(text)
    except (ValueError, OverflowError) as error:
        raise field.FieldError(f"{text!r} is no time; expected one such as 2026-12-01T00:00:00Z") from error
    if moment < 0:
        raise field.FieldError(f"{text!r} is before 1970")
    return moment


_READERS: Readers = {
    "model": field.name,
    "tier": field.one_of(Tier),
    "meter": _meter,
    "price": field.price,
    "from": _moment,
}
