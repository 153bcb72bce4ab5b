"""Calls that ended before they were held: they have no usage record, and are counted all the same.

They are added up in memory and go into the next batch of the ledger. What is not written when the process dies is lost:
such a call has cost nothing, and its client has long been told.
"""

import threading

from puyun.catalog.model import Tier
from puyun.service.tally import Tally
from puyun.storage.ledger.codes import TIER_CODE
from puyun.storage.ledger.tallies import NOTHING, Place, Tallies

PLACES_MAX = 4096
"""Organizations × models × tiers that are remembered between two batches; calls of more than that are not counted."""


class Notes:
    """Filled on one thread and emptied on another. Neither waits for more than an addition."""

    def __init__(self) -> None:
        self._tallies: dict[Place, Tally] = {}
        self._lock = threading.Lock()
        self.dropped = 0
        """Calls that were not counted."""

    def __bool__(self) -> bool:
        return bool(self._tallies)

    def refuse(self, org: int, model: int, tier: Tier, error: str | None, waited_ms: int) -> None:
        """As `Tally.refuse`."""
        place = org, model, TIER_CODE[tier]
        with self._lock:
            tally = self._place(place)
            if tally is None:
                self.dropped += 1
            else:
                tally.refuse(error, waited_ms)

    def take(self) -> Tallies:
        """All of them; they are forgotten here."""
        if not self._tallies:
            return NOTHING
        with self._lock:
            taken, self._tallies = self._tallies, {}
        return taken

    def give_back(self, taken: Tallies) -> None:
        """They could not be written."""
        with self._lock:
            for place, more in taken.items():
                tally = self._place(place)
                if tally is None:
                    self.dropped += 1
                else:
                    tally.add(more)

    def _place(self, place: Place) -> Tally | None:
        tally = self._tallies.get(place)
        if tally is None and len(self._tallies) < PLACES_MAX:
            tally = self._tallies[place] = Tally()
        return tally
