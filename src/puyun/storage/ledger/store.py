"""What a ledger store is: a batch of commands becomes one transaction. SQLite and PostgreSQL do it alike."""

from collections.abc import Sequence
from typing import Protocol

from puyun.ledger.command import Grow, Hold, Outcome
from puyun.metering.record import UsageRecord
from puyun.storage.ledger.inbox import NOTHING, Noted

BATCH_MAX = 64
"""Commands in one transaction: more would hold the interpreter lock, and every open stream, for too long."""

Ask = Hold | Grow | UsageRecord
"""What callers hand in: a record stands for the settle, void or expiry that its status says."""

WRITTEN: dict[type, str] = {Hold: "hold-written", Grow: "grow-written", UsageRecord: "settle-written"}
"""Where a process can be made to die in a transaction, by what is asked for in it."""


class StoreUnavailableError(Exception):
    """The database cannot be written now. Nothing happened, unless `unknown`: the connection was lost at the commit."""

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


class LedgerStore(Protocol):
    """Used by one thread at a time. `owner` is this process's row: the holds it takes die with it."""

    owner: int

    def commit(self, asks: Sequence[Ask], noted: Noted = NOTHING) -> list[Outcome]:
        """Decide and write a batch as one transaction; the outcomes in order, durable when this returns.

        `noted` are calls that were never held: they are counted with those that ended in the batch, and have no identity:
        who asks again counts them again.

        A command that was asked before, in this batch or long ago, gets its first answer (I13), so a batch whose
        fate is unknown may be asked again; a grow has no identity and is not.

        Raises StoreUnavailableError, or the driver's error when a row is refused: nothing happened then.
        """
        ...

    def expire_orphans(self) -> int:
        """End the holds of owners that are gone: uncharged, each with its record (I14). Returns how many."""
        ...

    def close(self) -> None: ...
