"""Several rounds of one measure, summed up so that the noise stays visible."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    low: float
    median: float
    high: float

    @property
    def noise(self) -> float:
        """Width of the range as a share of the median; 0 for a median of 0."""
        return (self.high - self.low) / self.median if self.median else 0.0


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError when there are no values."""
    if not values:
        raise ValueError("no rounds")
    return Spread(min(values), statistics.median(values), max(values))


def paired(values: Sequence[float], others: Sequence[float]) -> list[tuple[float, float]]:
    """Rounds of two columns side by side: they ran one after the other, so noise that lasted struck both."""
    return list(zip(values, others, strict=False))


def ratio(values: Sequence[float], others: Sequence[float]) -> Spread:
    return spread([value / other for value, other in paired(values, others) if other])


def difference(values: Sequence[float], others: Sequence[float]) -> Spread:
    return spread([value - other for value, other in paired(values, others)])
