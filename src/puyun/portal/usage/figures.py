"""What a period came to beside the one before it. Pure."""

from collections.abc import Sequence

import msgspec

from puyun.catalog.model import Tier
from puyun.portal.statement import total
from puyun.service.histogram import Kind
from puyun.storage.service.levels import ModelLevel
from puyun.storage.usage import UsageRow

ROWS_MAX = 200
"""Rows of the table; the rest stand together in one, and apart in the exports."""

_DIGITS = 100


class Change(msgspec.Struct, frozen=True):
    """`tenths`: of a percent, rounded towards zero; None where there was nothing before to be held against."""

    tenths: int | None

    @property
    def text(self) -> str:
        """`+12.3%`, `−4.0%`, `0.0%`"""
        tenths = self.tenths or 0
        sign = "+" if tenths > 0 else "−" if tenths < 0 else ""
        return f"{sign}{abs(tenths) // 10:,}.{abs(tenths) % 10}%"


class ServiceRow(msgspec.Struct, frozen=True):
    """How a model's calls at a tier went. Times in microseconds, None where nothing was observed."""

    model: str
    tier: Tier
    calls: int
    bad: int
    available: int | None
    wait_p50: int | None
    wait_p95: int | None
    first_token_p50: int | None


class Compared(msgspec.Struct, frozen=True):
    """`average` in micro-units per million tokens, None without tokens."""

    cost: Change
    tokens: Change
    calls: Change
    average: int | None
    average_change: Change


def change(now: int, before: int) -> Change:
    """From one number to another, neither of them negative."""
    if not before:
        return Change(None)
    tenths = abs(now - before) * 1000 // before
    return Change(tenths if now >= before else -tenths)


def average_of(row: UsageRow) -> int | None:
    """What a million tokens cost, in micro-units rounded down to four places of the currency."""
    tokens = row.usage.total
    return row.charge * 1000 // tokens // _DIGITS * _DIGITS if tokens else None


def compared(now: UsageRow, before: UsageRow) -> Compared:
    average, past = average_of(now), average_of(before)
    return Compared(
        cost=change(now.charge, before.charge),
        tokens=change(now.usage.total, before.usage.total),
        calls=change(now.calls, before.calls),
        average=average,
        average_change=Change(None) if average is None or past is None else change(average, past),
    )


def service_row(each: ModelLevel) -> ServiceRow:
    level = each.level
    return ServiceRow(
        each.model,
        each.tier,
        level.calls,
        level.calls - level.good,
        level.availability,
        level.at(Kind.WAIT, 500),
        level.at(Kind.WAIT, 950),
        level.at(Kind.FIRST_TOKEN, 500),
    )


def shortened(rows: Sequence[UsageRow], *, latest: bool) -> tuple[list[UsageRow], UsageRow | None, int]:
    """At most ROWS_MAX rows, the sum of the rest, and how many those are. `latest`: keep the last, else the first."""
    if len(rows) <= ROWS_MAX:
        return list(rows), None, 0
    kept, rest = (rows[-ROWS_MAX:], rows[:-ROWS_MAX]) if latest else (rows[:ROWS_MAX], rows[ROWS_MAX:])
    return list(kept), total(rest), len(rest)
