"""A13: invoices as issued. Numbers of payments have no gap, each hash is that of its content, each says what was paid."""

from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection, func, select

from puyun.ledger.audit import Finding
from puyun.pricing.papers.invoice import Series, digest, name_of, read
from puyun.storage.money.tables import counter
from puyun.storage.papers.issuing import COUNTER, Basis, sale_of
from puyun.storage.papers.tables import paper

_AT_A_TIME = 500


def check_papers(connection: Connection) -> Iterator[Finding]:
    """Once for all organizations."""
    given = connection.execute(select(counter.c.value).where(counter.c.name == COUNTER)).scalar() or 0
    numbers = select(func.count(), func.coalesce(func.max(paper.c.number), 0))
    count, last = connection.execute(numbers.where(paper.c.series == Series.PAYMENT)).one()
    if (count, last) != (given, given):
        yield Finding("A13", "numbers of invoices", f"{given} were given, there are {count} up to {last}")
    after = 0
    while True:
        query = select(paper).where(paper.c.id > after).order_by(paper.c.id).limit(_AT_A_TIME)
        rows = connection.execute(query).all()
        for row in rows:
            content, name = row.content.encode(), name_of(Series(row.series), row.number)
            if digest(content) != row.sha256 or not _says(content, name):
                yield Finding("A13", f"invoice {name}", "it is not what it was when it was issued")
                continue
            basis = Basis(Series(row.series), int(row.subject.partition(":")[2]))
            sale = sale_of(connection, row.org, basis)
            if sale is None or not sale.is_said_by(read(content)):
                yield Finding("A13", f"invoice {name}", f"it does not say what {row.subject} was")
        if len(rows) < _AT_A_TIME:
            return
        after = rows[-1].id


def _says(content: bytes, name: str) -> bool:
    try:
        return read(content).number == name
    except msgspec.MsgspecError:
        return False
