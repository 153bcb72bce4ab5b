"""Reading a whole database for the audit, a span of organizations after the other, in one consistent view.

Seals are computed again beside it, in a thread and a view of their own: rows that are sealed do not change any more, and
there is about as much to hash as to add up.

| check | rule                                                                                                      |
|-------|-----------------------------------------------------------------------------------------------------------|
| A0    | every row belongs to an organization that has a wallet                                                    |
| A1    | transactions count from 1 to `last` without a gap; their lines are allowed by the chart and move something |
| A2    | wallet.paid and wallet.bonus are the signed sums of their lines (I6)                                      |
| A3    | wallet.held is the sum of the open holds and of the payouts on their way (I5)                             |
| A4    | available, bonus and held are not below zero, nor was what was posted at any number (I4)                  |
| A5    | per transaction and tier, the charges of the records are the usage lines; bonus likewise                  |
| A6    | each cell of the hourly rollup is the sum of its records (I19)                                            |
| A7    | a record that charges nothing names no transaction, and one that charges names one                        |
| A8    | a record names prices of its own offer that were in force, and its tokens times them are its exact cost (I15) |
| A9    | a charge is at most the exact cost rounded down, and below it only with the overrun flag (I10)            |
| A10   | no call has both a record and an open hold (I8)                                                           |
| A11   | open holds belong to processes of ours, and none is older than a day                                      |
| A12   | every idempotency key names the posting that carries it, and every posting but usage has one              |
| A13   | open_invoices and receivables are the open invoices and disputes; invoices are as issued, without a gap   |
| A14   | seals and statements come again from the rows they cover; lots are the bonus that came in                 |
| A15   | a budget's spent and held are, window by window, the charges and the open holds that count against it     |
| A16   | refunds are their postings, and come to at most what the call was charged                                 |
| A17   | codes, payouts, disputes, invoices and matched payments are their postings                                |
| A18   | failed and crashed calls charge nothing (I18)                                                             |
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.exc import DBAPIError, OperationalError

from puyun.kit.clock import Instant
from puyun.kit.ids import format_id
from puyun.ledger.audit import Finding
from puyun.ledger.book import Wallet
from puyun.storage import schema
from puyun.storage.checks.acts import check_acts, check_numbers, gather_acts, prepare_acts
from puyun.storage.checks.budgets import check_budgets
from puyun.storage.checks.holds import check_holds
from puyun.storage.checks.journal import check_journal, count_transactions
from puyun.storage.checks.papers import check_papers
from puyun.storage.checks.rating import Rating
from puyun.storage.checks.records import check_records, count_records
from puyun.storage.checks.seals import Seals, check_seals
from puyun.storage.checks.span import Span, spans
from puyun.storage.checks.statements import check_statements
from puyun.storage.engine import reading
from puyun.storage.money import tables

TRANSACTIONS = 200_000
ORGANIZATIONS = 256
"""What is added up at a time, and so how often a bar moves."""

_BY_ORG = (
    schema.journal,
    schema.usage_record,
    schema.hold,
    schema.rollup_hour,
    schema.posting_key,
    tables.lot,
    tables.refund,
    tables.dispute,
    tables.seal_part,
)


@dataclass(slots=True)
class Counts:
    """How much was examined."""

    organizations: int = 0
    transactions: int = 0
    records: int = 0


def audit(
    connection: Connection,
    counts: Counts,
    step: Callable[[int, int], None],
    now: Instant | None = None,
    *,
    statements: bool = False,
) -> Generator[Finding]:
    """Every difference. `connection` is in a read transaction (`engine.reading`); `step(done, total)` may draw a bar.

    Without `now` no hold is too old. `statements`: make each closed statement again too. What it is made of is checked
    without it, so it can only differ where the making has changed; and it reads an organization's journal once a month.
    """
    if connection.dialect.name == "sqlite":
        with suppress(DBAPIError):  # a connection that has temporary tables keeps them where they are
            connection.exec_driver_sql("PRAGMA temp_store=FILE")  # what is sorted may be larger than memory
    organization = schema.organization
    names = {row.id: row.name for row in connection.execute(select(organization.c.id, organization.c.name))}
    rows = connection.execute(select(schema.wallet).order_by(schema.wallet.c.org)).all()
    wallets = [
        Wallet(row.org, row.paid, row.bonus, row.held, row.credit_limit, row.open_invoices, bool(row.frozen), row.last)
        for row in rows
    ]
    peaks = {row.org: max(row.credit_limit, row.credit_peak) for row in rows}
    rating = Rating(connection)
    prepare_acts(connection)
    with reading(connection.engine) as beside, ThreadPoolExecutor(1, "seals") as thread:
        seals = Seals(beside)
        for group in spans(wallets, TRANSACTIONS, ORGANIZATIONS):
            step(counts.organizations, len(wallets))
            span = Span(connection, {wallet.org: wallet for wallet in group}, peaks, names, now or Instant(0))
            sealed = thread.submit(_sealed, replace(span, connection=beside), seals)
            counts.organizations += len(group)
            counts.transactions += count_transactions(span)
            counts.records += count_records(span)
            yield from _span(span, rating)
            if statements:
                yield from check_statements(span)
            yield from sealed.result()
        yield from seals.check_chain(beside)
    yield from check_numbers(connection)
    yield from check_papers(connection)
    yield from _strangers(connection, {wallet.org for wallet in wallets})


def _sealed(span: Span, seals: Seals) -> list[Finding]:
    return list(check_seals(span, seals))


def _span(span: Span, rating: Rating) -> Iterator[Finding]:
    gather_acts(span)
    for check in (
        check_journal(span),
        check_records(span, rating),
        check_holds(span),
        check_budgets(span),
        check_acts(span),
    ):
        try:
            yield from check
        except OperationalError as error:
            if "integer overflow" not in str(error):
                raise
            where = f"{format_id('org', span.first)} to {format_id('org', span.last)}"
            yield Finding("A2", where, "their amounts add up beyond 63 bits, so no sum of theirs can be compared")


def _strangers(connection: Connection, known: set[int]) -> Iterator[Finding]:
    for table in (schema.organization, *_BY_ORG):
        for org in _distinct(connection, table.c.id if table is schema.organization else table.c.org):
            if org not in known:
                yield Finding("A0", format_id("org", org), f"it has rows in {table.name} and no wallet")


def _distinct(connection: Connection, column: ColumnElement[int]) -> Iterator[int]:
    """Each value of a key's first column by one look into its tree, however many rows share it."""
    last = -1
    while (value := connection.execute(select(func.min(column)).where(column > last)).scalar()) is not None:
        yield value
        last = value
