"""Reading a whole database for the audit, one organization after the other, in one consistent view.

Beside the checks of `ledger.audit`:

| check | rule                                                                                                      |
|-------|-----------------------------------------------------------------------------------------------------------|
| A0    | every row belongs to an organization that has a wallet                                                    |
| A6    | each cell of the hourly rollup is the sum of its records (I19)                                            |
| A8    | a record names prices of its own offer, and its tokens times them are its exact cost (I15)                |
| A9    | a charge is at most the exact cost rounded down, and below it only with the overrun flag (I10)            |
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, exists, func, select

from puyun.kit.clock import hour_of
from puyun.kit.ids import call_started, format_id, request_id
from puyun.kit.money import charge_of
from puyun.ledger.audit import Ended, Finding, JournalLine, WalletAudit
from puyun.ledger.book import Budget, Wallet
from puyun.ledger.hold import Status
from puyun.metering.record import Flag
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.pricebook import PriceBook, Rates
from puyun.pricing.rate import rate
from puyun.storage import schema
from puyun.storage.ledger.codes import STATUS_NAME, TIER_NAME
from puyun.storage.prices import load_price_rows

CHUNK = 1000
"""Rows fetched at a time, and rows between two drainings of what was found."""

_SUMS = ("calls", "failures", *BUCKETS, "charge")
_BY_ORG = (schema.journal, schema.usage_record, schema.hold, schema.rollup_hour, schema.posting_key)
_FREE = (Status.FAILED, Status.CRASHED)

_Row = Row[*tuple[Any, ...]]
_Cell = tuple[int, int, int, int]


@dataclass(slots=True)
class Counts:
    """How much was examined."""

    organizations: int = 0
    transactions: int = 0
    records: int = 0


def audit(connection: Connection, counts: Counts, step: Callable[[int, int], None]) -> Generator[Finding]:
    """Every difference. `connection` is in a read transaction (`engine.reading`); `step(done, total)` may draw a bar."""
    names = {
        row.id: row.name for row in connection.execute(select(schema.organization.c.id, schema.organization.c.name))
    }
    wallets = {row.org: _wallet(row) for row in connection.execute(select(schema.wallet))}
    rating = _Rating(connection)
    for done, (org, wallet) in enumerate(sorted(wallets.items())):
        step(done, len(wallets))
        name = f"{names.get(org, '?')} ({format_id('org', org)})"
        counts.organizations += 1
        yield from _organization(connection, wallet, name, rating, counts)
    for table in (schema.organization, *_BY_ORG):
        for org in _distinct(connection, table.c.id if table is schema.organization else table.c.org):
            if org not in wallets:
                yield Finding("A0", format_id("org", org), f"it has rows in {table.name} and no wallet")


def _organization(
    connection: Connection, wallet: Wallet, name: str, rating: "_Rating", counts: Counts
) -> Generator[Finding]:
    books = WalletAudit(wallet, name)
    rollups = _Rollups(connection, wallet.org, name)
    lines = ((row.at, True, row) for row in _stream(connection, schema.journal, wallet.org, "number", "line"))
    records = (
        (call_started(row.call), False, row) for row in _stream(connection, schema.usage_record, wallet.org, "call")
    )
    number = 0
    for seen, (_, is_line, row) in enumerate(merge(lines, records, key=lambda pair: pair[0])):
        if is_line:
            books.line(JournalLine(row.number, row.line, row.entry, row.debit, row.credit, row.amount, row.ref))
            counts.transactions += row.number != number
            number = row.number
        else:
            status = STATUS_NAME[row.status]
            tier = TIER_NAME[row.tier]
            books.record(Ended(row.call, row.number, row.key, tier, status, row.charge, row.from_bonus))
            yield from rollups.add(row, status)
            yield from rating.check(row, status, name)
            counts.records += 1
        if seen % CHUNK == 0:
            yield from _drain(books)
    yield from rollups.close()
    _holds_and_keys(connection, wallet.org, books)
    books.close(_budgets(connection, wallet.org))
    yield from _drain(books)


def _holds_and_keys(connection: Connection, org: int, books: WalletAudit) -> None:
    hold, record, keys = schema.hold, schema.usage_record, schema.posting_key
    recorded = exists().where(record.c.org == hold.c.org, record.c.call == hold.c.call).label("recorded")
    for row in connection.execute(select(hold, recorded).where(hold.c.org == org)):
        books.hold(row.call, row.key, row.amount, recorded=bool(row.recorded))
    for row in connection.execute(select(keys).where(keys.c.org == org)):
        books.posting_key(row.ref, row.number)


class _Rollups:
    """Records come in the order of their calls, so of their hours: one hour is in memory at a time."""

    def __init__(self, connection: Connection, org: int, name: str) -> None:
        self._stored = _stream(connection, schema.rollup_hour, org, "hour", "key", "model", "tier")
        self._next = next(self._stored, None)
        self._name = name
        self._hour = -1
        self._sums: dict[_Cell, list[int]] = {}

    def add(self, row: _Row, status: Status) -> Iterator[Finding]:
        hour = hour_of(call_started(row.call))
        if hour != self._hour:
            yield from self._compare(hour)
            self._hour = hour
        values = (1, int(status in _FREE), *(getattr(row, bucket) for bucket in BUCKETS), row.charge)
        sums = self._sums.setdefault((hour, row.key, row.model, row.tier), [0] * len(values))
        for index, value in enumerate(values):
            sums[index] += value

    def close(self) -> Iterator[Finding]:
        yield from self._compare(None)

    def _compare(self, before: int | None) -> Iterator[Finding]:
        """What was summed, and what is stored for any hour before `before`."""
        derived, self._sums = self._sums, {}
        while self._next is not None and (before is None or self._next.hour < before):
            row = self._next
            self._next = next(self._stored, None)
            cell = (row.hour, row.key, row.model, row.tier)
            yield from self._differences(cell, [getattr(row, name) for name in _SUMS], derived.pop(cell, None))
        for cell, sums in sorted(derived.items()):
            yield from self._differences(cell, None, sums)

    def _differences(self, cell: _Cell, stored: list[int] | None, derived: list[int] | None) -> Iterator[Finding]:
        hour, key, model, tier = cell
        where = f"{self._name}, rollup hour {hour}, key {key}, model {model}, tier {tier}"
        nothing = [0] * len(_SUMS)
        for name, here, there in zip(_SUMS, stored or nothing, derived or nothing, strict=True):
            if here != there:
                yield Finding("A6", where, f"{name} is {here}, the records add up to {there}")


class _Rating:
    """Rates every record again from the price rows it names."""

    def __init__(self, connection: Connection) -> None:
        self._book = PriceBook(load_price_rows(connection))
        self._models = {row.id: row.name for row in connection.execute(select(schema.model.c.id, schema.model.c.name))}
        self._recorded = lru_cache(maxsize=4096)(self._resolve)

    def check(self, row: _Row, status: Status, name: str) -> Iterator[Finding]:
        where = f"{name}, {request_id(row.org, row.call)}"
        rates = self._recorded(row.price_ids, row.model, row.tier)
        if isinstance(rates, str):
            yield Finding("A8", where, rates)
            return
        exact = rate(Usage(*(getattr(row, bucket) for bucket in BUCKETS)), rates).exact
        if row.exact != exact and not (status in _FREE and row.exact == 0):
            yield Finding("A8", where, f"its exact cost is {row.exact}, its tokens and prices come to {exact}")
        rated = charge_of(row.exact)
        if row.charge > rated:
            yield Finding("A9", where, f"it is charged {row.charge}, more than the {rated} it came to")
        if row.charge < rated and status not in _FREE and not row.flags & Flag.OVERRUN:
            yield Finding(
                "A9", where, f"it is charged {row.charge}, less than the {rated} it came to, without the flag"
            )

    def _resolve(self, price_ids: str, model: int, tier: int) -> Rates | str:
        """The rates behind a record, or why there are none."""
        try:
            rates = self._book.recorded(price_ids)
        except (KeyError, ValueError):
            return f"it names prices {price_ids!r}, not all of which exist"
        offer = (self._models.get(model), TIER_NAME.get(tier))
        for price in rates.own.values():
            row = self._book.by_id[price.price_id]
            if (row.model, row.tier) != offer:
                return f"price {row.id} is of {row.model} at {row.tier}, the call of {offer[0]} at {offer[1]}"
        return rates


def _stream(connection: Connection, table: Table, org: int, *order: str) -> Iterator[_Row]:
    query: Select[*tuple[Any, ...]] = (
        select(table).where(table.c.org == org).order_by(*(table.c[name] for name in order))
    )
    return iter(connection.execute(query.execution_options(yield_per=CHUNK)))


def _distinct(connection: Connection, column: ColumnElement[int]) -> Iterator[int]:
    """Each value of a key's first column by one look into its tree, however many rows share it."""
    last = -1
    while (value := connection.execute(select(func.min(column)).where(column > last)).scalar()) is not None:
        yield value
        last = value


def _drain(books: WalletAudit) -> list[Finding]:
    found, books.findings = books.findings, []
    return found


def _wallet(row: _Row) -> Wallet:
    return Wallet(
        row.org, row.paid, row.bonus, row.held, row.credit_limit, row.open_invoices, bool(row.frozen), row.last
    )


def _budgets(connection: Connection, org: int) -> list[Budget]:
    budget, key = schema.budget, schema.api_key
    query = select(budget).join(key, key.c.id == budget.c.key).where(key.c.org == org)
    return [Budget(row.key, row.limit, row.spent, row.held) for row in connection.execute(query)]
