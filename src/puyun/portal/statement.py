"""A usage page's figures, as they are shown and as they are exported: the rows, their sum, the bars. Pure."""

import csv
from collections.abc import Sequence
from io import StringIO

import msgspec

from puyun.kit.clock import DAY, HOUR, Instant, format_instant
from puyun.kit.money import format_amount
from puyun.metering.usage import BUCKETS, Usage
from puyun.portal.period import Period
from puyun.storage.usage import UsageRow

ALWAYS_SHOWN = ("input", "cached_input", "output")


class Column(msgspec.Struct, frozen=True):
    """One bar of the chart: `height` in thousandths of the tallest."""

    label: str
    charge: int
    tokens: int
    height: int


def total(rows: Sequence[UsageRow]) -> UsageRow:
    """The sum of the rows, so that a table always adds up to its own last line."""
    buckets = {bucket: sum(getattr(row.usage, bucket) for row in rows) for bucket in BUCKETS}
    return UsageRow(
        "total",
        sum(row.calls for row in rows),
        sum(row.failures for row in rows),
        Usage(**buckets),
        sum(row.charge for row in rows),
    )


def shown_buckets(summed: Usage) -> list[str]:
    """The columns of the table: the usual ones, and any other that was used."""
    return [bucket for bucket in BUCKETS if bucket in ALWAYS_SHOWN or getattr(summed, bucket)]


def columns(rows: Sequence[UsageRow], period: Period) -> list[Column]:
    """Cost over time: a bar for every hour of a single day, else for every day; hours and days without calls too."""
    step, shown = (HOUR, slice(len("2026-11-25T"), len("2026-11-25T03:00"))) if period.days == 1 else (DAY, slice(10))
    known = {row.label: row for row in rows}
    tallest = max((row.charge for row in rows), default=0)
    found: list[Column] = []
    for at in range(period.start, period.end, step):
        moment = format_instant(Instant(at))
        row = known.get(moment if step == HOUR else moment[shown])
        charge = 0 if row is None else row.charge
        tokens = 0 if row is None else row.usage.total
        found.append(Column(moment[shown], charge, tokens, charge * 1000 // tallest if tallest else 0))
    return found


def to_csv(rows: Sequence[UsageRow], label: str, currency: str) -> str:
    """The rows with exact amounts, for a spreadsheet. `label` heads the first column."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow([label, "requests", "failures", *BUCKETS, "total_tokens", "cost", "currency"])
    for row in rows:
        counts = [getattr(row.usage, bucket) for bucket in BUCKETS]
        cost = format_amount(row.charge)
        writer.writerow([_inert(row.label), row.calls, row.failures, *counts, row.usage.total, cost, currency])
    return text.getvalue()


def _inert(label: str) -> str:
    """Spreadsheets run what begins with these signs; a key's name is anybody's text."""
    return f"'{label}" if label.startswith(("=", "+", "-", "@", "\t", "\r")) else label
