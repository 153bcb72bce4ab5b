"""A provider's usage report put into disjoint buckets: what a reading is, and the care that every dialect takes.

Rules: ledger invariant I16, metering M1 to M10. The shapes themselves are in `metering.shapes`, one file a dialect.
"""

from collections.abc import Iterator, Mapping, Set as AbstractSet
from numbers import Real
from typing import Any, cast

import msgspec

from puyun.metering.record import NO_FLAGS, Flag
from puyun.metering.usage import Usage

COUNT_MAX = 30_000_000
"""No single call has more tokens of one kind, nor more on one side; a larger number is a provider's mistake."""

UNKNOWN_MAX = 8
"""Names of unknown figures that a reading keeps."""

NAME_MAX = 80

_DEPTH_MAX = 4

Report = Mapping[str, Any]
"""A usage object as JSON gave it: whatever a provider felt like sending."""

NOTHING: Report = {}


class Reading(msgspec.Struct, frozen=True):
    """`unknown`: names of figures that nobody knows how to charge, for the operator's log; they cost nothing."""

    usage: Usage
    flags: Flag = NO_FLAGS
    unknown: tuple[str, ...] = ()


class Reader:
    """Takes figures out of one report and remembers what was odd about them."""

    def __init__(self) -> None:
        self.flags = NO_FLAGS
        self.unknown: tuple[str, ...] = ()

    def anomaly(self) -> None:
        self.flags |= Flag.ANOMALY

    def count(self, report: Report, *names: str) -> int:
        """A token count. Names of one thing are read as one: the largest counts, they are never added.

        Anything but a sane whole number counts as 0 and is flagged; absence and null are 0.
        """
        most = 0
        for name in names:
            value = report.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= COUNT_MAX:
                self.anomaly()
                continue
            most = max(most, value)
        return most

    def part(self, value: int, whole: int) -> int:
        """A detail can't exceed what it is a detail of."""
        if value > whole:
            self.anomaly()
            return max(whole, 0)
        return value

    def writes(self, total: int, breakdown: Report) -> tuple[int, int]:
        """Tokens written to a cache for five minutes and for an hour.

        The breakdown repeats the total; it is never added to it. Where they contradict each other, the total counts and
        as little of it as possible is of the dearer kind.
        """
        five, hour = (self.count(breakdown, f"ephemeral_{name}_input_tokens") for name in ("5m", "1h"))
        if not total or five + hour == total:
            return five, hour
        if five or hour:
            self.anomaly()
            hour = min(hour, max(total - five, 0))
        return total - hour, hour

    def notice(self, report: Report, known: AbstractSet[str]) -> None:
        """Figures under names that the dialect does not have: they may cost the operator something."""
        if report.keys() <= known:
            return
        for name in report.keys() - known:
            for place in _figures(name, report[name], _DEPTH_MAX):
                self.flags |= Flag.UNKNOWN
                self.unknown = tuple(sorted({*self.unknown, place[:NAME_MAX]}))[:UNKNOWN_MAX]

    def reading(self, usage: Usage) -> Reading:
        possible = usage.at_most(COUNT_MAX, COUNT_MAX)
        if possible is not usage:
            self.anomaly()
        return Reading(possible, self.flags, self.unknown)


def part_of(report: Report, name: str) -> Report:
    """An object within a report; an empty one where there is none."""
    value = report.get(name)
    return cast("Report", value) if isinstance(value, Mapping) else NOTHING


def _figures(name: str, value: object, depth: int) -> Iterator[str]:
    """Where in a value of an unknown name numbers other than 0 stand."""
    if isinstance(value, Mapping) and depth:
        for inner, content in cast("Report", value).items():
            yield from _figures(f"{name}.{inner}", content, depth - 1)
    elif isinstance(value, list) and depth:
        for content in cast("list[object]", value):
            yield from _figures(name, content, depth - 1)
    elif not isinstance(value, bool) and isinstance(value, Real) and value:
        yield name
