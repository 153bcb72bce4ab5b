"""What a worker may do by itself while the arbiter is away. Pure.

Each worker has the same part of what a tier is sure of: of Enterprise's own lanes all, of shared ones its ceiling, and
Flex's guarantee; at least one seat, since how many there are in all is looked at too (`board`). Test has no part.
"""

from collections.abc import Mapping

from puyun.catalog.model import Tier
from puyun.claim import Claim
from puyun.scheduler.lane import LaneSpec
from puyun.scheduler.rules import DEFAULTS, Rules

SHARED = "shared"
ENTERPRISE = "enterprise"

_ALL = 1_000
"""Shares are per mille."""


class Share:
    """A part of the lanes for one of so many workers."""

    def __init__(self, lanes: Mapping[int, LaneSpec], workers: int, rules: Rules = DEFAULTS) -> None:
        self._lanes = lanes
        self._workers = workers
        self._shares = {Tier.ENTERPRISE: rules.enterprise.share, Tier.FLEX: rules.flex.share}

    def part(self, claim: Claim, lane: int) -> int:
        """Seats of the lane that one worker may have in use for calls of this tier; 0: none."""
        spec = self._lanes.get(lane)
        if spec is None or claim.tier is Tier.TEST:
            return 0
        if spec.pool == SHARED:
            share = self._shares[claim.tier]
        elif claim.tier is Tier.ENTERPRISE and (spec.pool == ENTERPRISE or spec.owner == claim.org):
            share = _ALL
        else:
            return 0
        return max(1, spec.seats * share // _ALL // self._workers)

    def pick(self, claim: Claim, mine: Mapping[tuple[int, Tier], int], used: Mapping[int, int]) -> LaneSpec | None:
        """The lane to take a seat at: of those that were kept for the call first, else the emptiest; None: there is none.

        `mine`: seats that this worker has in use, by lane and tier; `used`: those that all workers have.
        """
        found = [
            self._lanes[lane]
            for lane in claim.lanes
            if mine.get((lane, claim.tier), 0) < self.part(claim, lane) and used.get(lane, 0) < self._lanes[lane].seats
        ]
        return min(found, key=lambda spec: (spec.pool == SHARED, used.get(spec.id, 0) / spec.seats), default=None)
