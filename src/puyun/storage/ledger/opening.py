"""The ledger's parts for whichever database is named."""

from pathlib import Path

from puyun.kit.clock import Clock
from puyun.storage.engine import Database
from puyun.storage.ledger.advisory import PostgresOwner
from puyun.storage.ledger.owner import FileOwner, Owner
from puyun.storage.ledger.postgres import PostgresLedger
from puyun.storage.ledger.sqlite import SqliteLedger
from puyun.storage.ledger.store import LedgerStore


def open_store(database: Database, clock: Clock, owner: int = 0) -> LedgerStore:
    """A store; `owner` is the row of the process whose holds it takes."""
    if isinstance(database, Path):
        return SqliteLedger(database, clock, owner)
    return PostgresLedger(database, clock, owner)


def take_owner(database: Database, folder: Path, clock: Clock) -> Owner:
    """This process's row and slot; on SQLite the slot is a file in `folder`.

    Raises TooManyProcessesError or StoreUnavailableError.
    """
    if isinstance(database, Path):
        return FileOwner(database, folder, clock)
    return PostgresOwner(database, clock)
