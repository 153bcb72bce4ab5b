"""A histogram of 96 bins, each a fifth wider than the one before: what it holds can be added up, whoever counted it.

Its text is a list of bins, `Ab3Cd`: two letters name a kind and a bin, the number after them how often, once where there
is none. Two texts one after the other are the text of both together, so that a database merges by `||` alone.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial

BINS = 96

FIRST = 50
"""What is at most this stands in the first bin and reads as 0: 50 microseconds, or 0.05 tokens a second."""

BOUNDS = tuple(FIRST * 119**number // 100**number for number in range(BINS - 1))
"""The most that stands in a bin. The last bin has no bound; it begins at ten minutes."""

bin_of: Callable[[int], int] = partial(bisect_left, BOUNDS)
"""The bin of a value of 0 or more."""

ERROR = 100
"""How far a quantile may lie from the true one, in thousandths of the true one, between the first bin and the last."""


class Kind(IntEnum):
    """What is measured. Waits and times in microseconds, speed in thousandths of a token a second."""

    WAIT = 0
    FIRST_TOKEN = 1
    SPEED = 2
    OVERHEAD = 3


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
_NAMES = tuple(_LETTERS[code // 48] + _LETTERS[code % 48] for code in range(len(Kind) * BINS))
_CODES = {name: code for code, name in enumerate(_NAMES)}
NAMES = {kind: _NAMES[kind * BINS : (kind + 1) * BINS] for kind in Kind}
"""The text of one observation, by kind and bin."""

_ENTRY = re.compile(r"([A-Za-z]{2})(\d*)")

Histogram = Mapping[int, int]
"""Bin -> how often. Bins that are not there are empty."""


def shortened(text: str) -> str:
    """The same histograms in the fewest letters."""
    return text_of(dict(sorted(_counted(text).items())))


def text_of(names: Mapping[str, int]) -> str:
    """The text of observations by how often they were made."""
    return "".join([name if often == 1 else f"{name}{often}" for name, often in names.items()])


def histograms(text: str) -> dict[Kind, Histogram]:
    """Every kind's. Raises KeyError for a name that no observation has."""
    found: dict[Kind, dict[int, int]] = {kind: {} for kind in Kind}
    for name, often in _counted(text).items():
        code = _CODES[name]
        found[Kind(code // BINS)][code % BINS] = often
    return {kind: found[kind] for kind in Kind}


def merged(*several: Histogram) -> Histogram:
    total = Counter[int]()
    for each in several:
        total.update(each)
    return total


def quantile(histogram: Histogram, part: int) -> int | None:
    """The value that `part` of a thousand observations do not exceed; None where there are none.

    The nearest rank: the smallest value that has at least so many observations at or below it, to within ERROR. In the
    first bin it is 0; in the last, its lower end.
    """
    ranks = sum(histogram.values())
    if not ranks:
        return None
    wanted = max(-(-ranks * part // 1000), 1)
    for number in sorted(histogram):
        wanted -= histogram[number]
        if wanted <= 0:
            return _middle(number)
    raise ValueError("a part of more than a thousand")


def _middle(number: int) -> int:
    """As far, in proportion, from a bin's lower end as from its upper one."""
    if number == 0:
        return 0
    low = BOUNDS[number - 1]
    if number == BINS - 1:
        return low
    high = BOUNDS[number]
    return 2 * low * high // (low + high)


def _counted(text: str) -> Counter[str]:
    counted = Counter[str]()
    for name, often in _ENTRY.findall(text):
        counted[name] += int(often or 1)
    return counted
