"""What an act on money leaves: figures of a wallet, the lines of a transaction, and an audit without a finding."""

from sqlalchemy import Connection, Engine, select

from puyun.ledger.command import Act
from puyun.storage import schema
from puyun.storage.audit import Counts, audit
from puyun.storage.engine import reading
from puyun.storage.wallets import WalletRow, load_wallet


def why(ref: str) -> Act:
    return Act(ref, by="ann", why="because")


def wallet(engine: Engine, org: int = 7) -> WalletRow:
    with reading(engine) as connection:
        return load_wallet(connection, org)


def lines(connection: Connection, number: int, org: int = 7) -> list[tuple]:
    journal = schema.journal
    query = select(journal.c.debit, journal.c.credit, journal.c.amount).order_by(journal.c.line)
    return [tuple(row) for row in connection.execute(query.where(journal.c.org == org, journal.c.number == number))]


def findings(engine: Engine, now: int | None = None, *, statements: bool = False) -> list[tuple[str, str, str]]:
    with reading(engine) as connection:
        found = list(audit(connection, Counts(), lambda _done, _total: None, now, statements=statements))
    return [(finding.check, finding.where.removeprefix("acme (org_7), "), finding.message) for finding in found]
