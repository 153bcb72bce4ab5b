"""What can be said of many tallies together: availability, promises kept, and quantiles."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from puyun.service.histogram import Histogram, Kind, histograms, quantile
from puyun.service.tally import COUNTS
from puyun.service.verdict import BAD

WHOLE = 10_000
"""A share is a number of ten-thousandths."""


class Level:
    """The service level of some calls. `counts` in the order of COUNTS; `seen` is the text of all their histograms."""

    def __init__(self, counts: Sequence[int], seen: str) -> None:
        self.counts: Mapping[str, int] = dict(zip(COUNTS, counts, strict=True))
        self.calls = self.counts["calls"]
        """Valid ones."""
        self.bad: Mapping[str, int] = {str(cause): self.counts[cause] for cause in BAD}
        self.good = self.calls - sum(self.bad.values())
        self._seen = seen

    def __add__(self, other: "Level") -> "Level":
        """The calls of both."""
        return Level([self.counts[name] + other.counts[name] for name in COUNTS], self._seen + other._seen)

    @property
    def availability(self) -> int | None:
        """Good calls among the valid ones, in ten-thousandths rounded down; None where there were none."""
        return share(self.good, self.calls)

    @property
    def waits_kept(self) -> int | None:
        """Waits as promised among all, in ten-thousandths."""
        return share(self.counts["waits"] - self.counts["waits_over"], self.counts["waits"])

    @property
    def overheads_kept(self) -> int | None:
        """Calls to which we added no more than promised, in ten-thousandths."""
        return share(self.counts["overheads"] - self.counts["overheads_over"], self.counts["overheads"])

    @cached_property
    def histograms(self) -> dict[Kind, Histogram]:
        return histograms(self._seen)

    def at(self, kind: Kind, part: int) -> int | None:
        """A quantile, in the unit of its kind; `part` in thousandths. None where nothing was observed."""
        return quantile(self.histograms[kind], part)


def share(part: int, whole: int) -> int | None:
    """Rounded down, so that 10000 says that nothing was missing."""
    return part * WHOLE // whole if whole else None
