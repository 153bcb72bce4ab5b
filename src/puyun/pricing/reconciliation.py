"""A provider's bill against our records, by model and day, and what may explain a difference.

Causes are taken in this order, each for no more than it can account for; what is left is unexplained:

| cause | explains | at most |
|---|---|---|
| `cache` | fewer input tokens on the bill | our cached input tokens, all of them or none: the bill leaves them out |
| `retries` | more on the bill | failed attempts × the mean of a call: the provider counted what we could not |
| `cancelled` | more output on the bill | cancelled and cut calls × the mean output: it went on after we had hung up |
| `no_usage` | either way | what we estimated because the provider reported nothing |
"""

from collections.abc import Mapping
from typing import cast

import msgspec

from puyun.catalog.fault import CatalogErrors, Fault
from puyun.catalog.field import FieldError
from puyun.kit.clock import DAY, Instant, format_instant, parse_instant
from puyun.kit.money import parse_amount
from puyun.pricing.table import Readers, read_table

TOLERANCE = 5
"""Thousandths of the bill that may stay unexplained."""

CAUSES = ("cache", "retries", "cancelled", "no_usage")
NEEDED = ("date", "model", "input_tokens", "output_tokens")
COUNT_MAX = 10**15


class Bill(msgspec.Struct, frozen=True):
    """What the provider says of one of its models on one day (days since 1970). `cost` in nano-units, None: not said."""

    day: int
    model: str
    input: int
    output: int
    cost: int | None = None


class Ours(msgspec.Struct, frozen=True):
    """The same day and model in our records. `input` holds `cached` too; `cost` by the cost book, None: not known."""

    calls: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    failed_attempts: int = 0
    cancelled: int = 0
    estimated_input: int = 0
    estimated_output: int = 0
    cost: int | None = None


class Measure(msgspec.Struct, frozen=True):
    """One figure on both sides. `causes` and `unexplained` add up to `theirs - ours`."""

    ours: int
    theirs: int
    causes: dict[str, int]
    unexplained: int

    @property
    def alarming(self) -> bool:
        return abs(self.unexplained) * 1000 > self.theirs * TOLERANCE


class Comparison(msgspec.Struct, frozen=True):
    """`cost`: both sides in nano-units where both are known; it alarms where tokens agree and money does not."""

    day: int
    model: str
    calls: int
    input: Measure
    output: Measure
    cost: Measure | None

    @property
    def alarming(self) -> bool:
        if self.input.alarming or self.output.alarming:
            return True
        agreed = self.input.ours == self.input.theirs and self.output.ours == self.output.theirs
        return agreed and self.cost is not None and self.cost.alarming

    @property
    def date(self) -> str:
        return format_instant(Instant(self.day * DAY))[:10]


def parse_bill(text: str, source: str) -> list[Bill]:
    """A usage export as CSV: `date, model, input_tokens, output_tokens` and, if known, `cost`. Rows of one day and model
    are added up. Raises CatalogErrors with every fault, each with its line.
    """
    rows, faults = read_table(text, source, _READERS, NEEDED)
    if not rows and not faults:
        faults.append(Fault(None, "", "it has no rows"))
    if faults:
        raise CatalogErrors(source, faults)
    found: dict[tuple[int, str], Bill] = {}
    for _, values in rows:
        cost = cast("int | None", values.get("cost"))
        bill = Bill(
            cast("int", values["date"]),
            cast("str", values["model"]),
            cast("int", values["input_tokens"]),
            cast("int", values["output_tokens"]),
            cost,
        )
        before = found.get((bill.day, bill.model))
        if before is not None:
            known = before.cost is not None and cost is not None
            bill = Bill(
                bill.day,
                bill.model,
                before.input + bill.input,
                before.output + bill.output,
                (before.cost or 0) + (cost or 0) if known else None,
            )
        found[bill.day, bill.model] = bill
    return list(found.values())


def compare(bills: list[Bill], ours: Mapping[tuple[int, str], Ours]) -> list[Comparison]:
    """Every day and model that either side knows, in order of days."""
    theirs = {(bill.day, bill.model): bill for bill in bills}
    return [
        _compared(theirs.get(cell) or Bill(*cell, 0, 0), ours.get(cell, Ours())) for cell in sorted({*theirs, *ours})
    ]


def _compared(bill: Bill, ours: Ours) -> Comparison:
    retried_input, retried_output = (
        ours.failed_attempts * _mean(tokens, ours.calls) for tokens in (ours.input, ours.output)
    )
    tail = ours.cancelled * _mean(ours.output, ours.calls)
    gone = -ours.cached if abs(bill.input - ours.input + ours.cached) < abs(bill.input - ours.input) else 0
    cost = None
    if bill.cost is not None and ours.cost is not None:
        cost = Measure(ours.cost, bill.cost, {}, bill.cost - ours.cost)
    rooms_in = {"retries": (0, retried_input), "no_usage": (-ours.estimated_input, ours.estimated_input)}
    rooms_out = {
        "retries": (0, retried_output),
        "cancelled": (0, tail),
        "no_usage": (-ours.estimated_output, ours.estimated_output),
    }
    return Comparison(
        bill.day,
        bill.model,
        ours.calls,
        _explained(ours.input, bill.input, {"cache": (gone, gone), **rooms_in}),
        _explained(ours.output, bill.output, rooms_out),
        cost,
    )


def _explained(ours: int, theirs: int, rooms: Mapping[str, tuple[int, int]]) -> Measure:
    """Each cause takes of the difference what lies between its two bounds."""
    left = theirs - ours
    causes: dict[str, int] = {}
    for name, (lowest, highest) in rooms.items():
        taken = min(max(left, lowest), highest)
        if taken:
            causes[name] = taken
            left -= taken
    return Measure(ours, theirs, causes, left)


def _mean(tokens: int, calls: int) -> int:
    return -(-tokens // calls) if calls else 0


def _day(text: str) -> int:
    try:
        moment = parse_instant(text)
    except (ValueError, OverflowError) as error:
        raise FieldError(f"{text!r} is no day; expected one such as 2026-11-25") from error
    if moment < 0 or moment % DAY:
        raise FieldError(f"{text!r} is no day; expected one such as 2026-11-25, in UTC")
    return moment // DAY


def _model(text: str) -> str:
    if not text:
        raise FieldError("expected the provider's own name of the model")
    return text


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:20]) > COUNT_MAX:
        raise FieldError(f"{text[:40]!r} is no count of tokens")
    return int(text)


_READERS: Readers = {
    "date": _day,
    "model": _model,
    "input_tokens": _count,
    "output_tokens": _count,
    "cost": lambda text: parse_amount(text) if text else None,
}
