"""A usage page's figures, as they are shown and as they are exported: the rows and their sum. Pure."""

import csv
from collections.abc import Iterator, Sequence
from io import StringIO

from puyun.kit.money import format_amount
from puyun.metering.usage import BUCKETS, Usage
from puyun.storage.usage import UsageRow

ALWAYS_SHOWN = ("input", "cached_input", "output")


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


def csv_lines(rows: Sequence[UsageRow], label: str, currency: str) -> Iterator[str]:
    """The rows with exact amounts, for a spreadsheet, a line at a time. `label` heads the first column."""
    yield _line([label, "requests", "failures", *BUCKETS, "total_tokens", "cost", "currency"])
    for row in rows:
        counts = [getattr(row.usage, bucket) for bucket in BUCKETS]
        cost = format_amount(row.charge)
        yield _line([_inert(row.label), row.calls, row.failures, *counts, row.usage.total, cost, currency])


def _line(cells: Sequence[object]) -> str:
    text = StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _inert(label: str) -> str:
    """Spreadsheets run what begins with these signs; a key's name is anybody's text."""
    return f"'{label}" if label.startswith(("=", "+", "-", "@", "\t", "\r")) else label
