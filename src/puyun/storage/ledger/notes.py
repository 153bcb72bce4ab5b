"""Calls that ended before they were held: they have no usage record, and are counted all the same.

They wait in memory for the next batch of the ledger. What is not written when the process dies is lost: such a call has
cost nothing, and its client has long been told.
"""

import threading

from puyun.storage.ledger.inbox import NOTHING, Noted, Refused

NOTES_MAX = 4096
"""Kinds of calls that are remembered between two batches; what is of no kind among them is not counted."""


class Notes:
    """Filled on one thread and emptied on another. Neither waits for more than an addition."""

    def __init__(self) -> None:
        self._noted: dict[Refused, int] = {}
        self._lock = threading.Lock()
        self.dropped = 0
        """Calls that were not counted."""

    def __bool__(self) -> bool:
        return bool(self._noted)

    def add(self, refused: Refused) -> None:
        with self._lock:
            self._add(refused, 1)

    def take(self) -> Noted:
        """All of them; they are forgotten here."""
        if not self._noted:
            return NOTHING
        with self._lock:
            taken, self._noted = self._noted, {}
        return taken

    def give_back(self, taken: Noted) -> None:
        """They could not be written."""
        with self._lock:
            for refused, often in taken.items():
                self._add(refused, often)

    def _add(self, refused: Refused, often: int) -> None:
        if refused in self._noted or len(self._noted) < NOTES_MAX:
            self._noted[refused] = self._noted.get(refused, 0) + often
        else:
            self.dropped += often
