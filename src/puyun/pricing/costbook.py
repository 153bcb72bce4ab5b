"""What providers ask the operator: dated costs by (deployment, meter), and what a usage cost at a moment."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from puyun.kit.clock import Instant
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.pricebook import FALLBACK


class CostRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `amount`: micro-units per million tokens, None from when it is no longer known."""

    id: int
    deployment: str
    meter: str
    amount: int | None
    effective_from: Instant
    created_at: Instant
    created_by: str = ""
    reason: str = ""


class Cost(msgspec.Struct, frozen=True):
    """`exact` in pico-units; `unknown` are the buckets that had tokens and no cost, so that `exact` is too low."""

    exact: int
    unknown: tuple[str, ...] = ()


class CostBook:
    """Immutable. Of rows with the same start the one with the higher id wins; meters fall back as prices do."""

    def __init__(self, rows: Iterable[CostRow]) -> None:
        self._rows: defaultdict[str, list[CostRow]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: (row.effective_from, row.id)):
            self._rows[row.deployment].append(row)

    def costs(self, deployment: str, at: Instant) -> dict[str, int]:
        """Pico-units a token by meter, fallbacks resolved; a meter that is not there is unknown."""
        found: dict[str, int] = {}
        for row in self._rows.get(deployment, ()):
            if row.effective_from <= at:
                if row.amount is None:
                    found.pop(row.meter, None)
                else:
                    found[row.meter] = row.amount
        for meter, other in FALLBACK.items():
            if meter not in found and other in found:
                found[meter] = found[other]
        return found

    def changes(self, start: Instant, end: Instant) -> list[Instant]:
        """The moments after `start` and before `end` at which any cost changes, in order."""
        moments = {row.effective_from for rows in self._rows.values() for row in rows}
        return sorted(moment for moment in moments if start < moment < end)


def cost_of(usage: Usage, costs: Mapping[str, int]) -> Cost:
    """Each bucket once. Not rounded: a margin is a sum of many."""
    exact = 0
    unknown: tuple[str, ...] = ()
    for bucket in BUCKETS:
        tokens = getattr(usage, bucket)
        if tokens and bucket not in costs:
            unknown += (bucket,)
        elif tokens:
            exact += tokens * costs[bucket]
    return Cost(exact, unknown)
