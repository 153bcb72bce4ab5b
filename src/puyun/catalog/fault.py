"""What can be wrong with a catalogue file, said so that its author can mend it."""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum

import msgspec


class FaultKind(StrEnum):
    BROKEN = "broken"
    """The file cannot be applied."""
    IMPLAUSIBLE = "implausible"
    """Most likely a slip; applied only when a person insists (`--force`)."""
    WARNING = "warning"
    """Applied, and worth a look."""


class Fault(msgspec.Struct, frozen=True):
    """`line` counts from 1, None when no single line is at fault; `where` is a path such as `models.gpt-4o.kind`."""

    line: int | None
    where: str
    message: str
    kind: FaultKind = FaultKind.BROKEN

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.where}: {self.message}" if self.where else f"{place}{self.message}"


class CatalogErrors(Exception):  # noqa: N818 - a whole list of them, not one error
    """Every fault of a file that is refused as a whole, in the order of its lines."""

    def __init__(self, source: str, faults: Iterable[Fault]) -> None:
        self.source = source
        self.faults = sorted(faults, key=lambda fault: fault.line or 0)
        super().__init__("\n".join(f"{source}: {fault}" for fault in self.faults))


def refusals(faults: Iterable[Fault], *, force: bool = False) -> list[Fault]:
    """Those that stop the file from being applied; `force` lets implausible prices pass, never broken ones."""
    passing = {FaultKind.WARNING, FaultKind.IMPLAUSIBLE} if force else {FaultKind.WARNING}
    return [fault for fault in faults if fault.kind not in passing]


def nearest(word: str, words: Iterable[str]) -> str:
    """`; did you mean "kind"?` when one of the words looks like it, else the list of them."""
    words = list(words)
    close = get_close_matches(word.lower(), words, n=1)
    return f'; did you mean "{close[0]}"?' if close else f"; expected one of {', '.join(words)}"
