"""A quantile of a stream of numbers for each of many keys, in a few bytes a key. Whole numbers only.

At first the estimate is the largest number seen. Then each observation moves it a little: up by `part` of a step when it
was exceeded, down by the rest of the step when it was not. It rests where both are equally likely, which is the
quantile; and it follows when that moves.
"""

from collections import OrderedDict
from collections.abc import Hashable

_UNIT = 1_024
_PER = 1_000
_FEW = 16
_STEP = 16
"""A step is a sixteenth of the estimate, and a quarter of one at least."""


class Quantiles:
    """`part` of a thousand of a key's observations are at most `of(key)`. Bounded: the key unused for longest goes."""

    def __init__(self, part: int, start: int, keys: int) -> None:
        self._part = part
        self._start = start
        self._keys = keys
        self._known: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def of(self, key: Hashable) -> int:
        known = self._known.get(key)
        return self._start if known is None else known[0] // _UNIT

    def observe(self, key: Hashable, value: int) -> None:
        """`value` is 0 or more."""
        estimate, seen = self._known.pop(key, (self._start * _UNIT, 0))
        step = max(estimate // _STEP, _UNIT // 4)
        if seen < _FEW:
            estimate = max(estimate, value * _UNIT) if seen else value * _UNIT
        elif value * _UNIT > estimate:
            estimate = min(estimate + step * self._part // _PER, value * _UNIT)
        else:
            estimate = max(estimate - step * (_PER - self._part) // _PER, value * _UNIT)
        self._known[key] = estimate, seen + 1
        if len(self._known) > self._keys:
            self._known.popitem(last=False)
