"""A span of organizations under audit, and sums over it that are exact whatever the rows say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Integer, Numeric, Table, cast, func, literal
from sqlalchemy.engine import RowMapping

from puyun.kit.clock import Instant
from puyun.kit.ids import format_id
from puyun.ledger.audit import Finding
from puyun.ledger.book import Wallet

_HALF = 32


@dataclass(slots=True)
class Span:
    """Organizations `first` to `last` that have wallets."""

    connection: Connection
    wallets: dict[int, Wallet]
    peaks: dict[int, int]
    """The highest credit limit a wallet ever had."""
    names: dict[int, str]
    now: Instant

    @property
    def first(self) -> int:
        return min(self.wallets)

    @property
    def last(self) -> int:
        return max(self.wallets)

    def within(self, table: Table) -> ColumnElement[bool]:
        return table.c.org.between(self.first, self.last)

    def rows(self, query: Executable) -> Iterator[RowMapping]:
        """Rows of organizations that have a wallet; the others are A0."""
        for row in self.connection.execute(query).mappings():
            if row["org"] in self.wallets:
                yield row

    def finding(self, check: str, org: int, where: str, message: str) -> Finding:
        name = f"{self.names.get(org, '?')} ({format_id('org', org)})"
        return Finding(check, f"{name}, {where}", message)

    def wide(self, column: ColumnElement[int]) -> ColumnElement[Any]:
        """A column whose products do not overflow; SQLite makes them inexact instead, which is then no whole number."""
        return cast(column, Numeric(40, 0)) if self.connection.dialect.name == "postgresql" else column


def halves(column: ColumnElement[int], name: str) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """Two sums that cannot overflow for up to two thousand million rows; `whole` puts them together."""
    high = func.sum(column.bitwise_rshift(literal(_HALF, Integer))).label(f"{name}_high")
    low = func.sum(column.bitwise_and((1 << _HALF) - 1)).label(f"{name}_low")
    return high, low


def whole(row: RowMapping, name: str) -> int:
    return (int(row[f"{name}_high"]) << _HALF) + int(row[f"{name}_low"])


def spans(wallets: Iterable[Wallet], transactions: int, organizations: int) -> Iterator[list[Wallet]]:
    """Wallets in groups of about as much work."""
    group: list[Wallet] = []
    work = 0
    for wallet in wallets:
        group.append(wallet)
        work += wallet.last
        if work >= transactions or len(group) >= organizations:
            yield group
            group, work = [], 0
    if group:
        yield group
