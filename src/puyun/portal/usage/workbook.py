"""The table as a workbook for a spreadsheet. Amounts stand there twice: as exact text, and as a number to add up with."""

from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO

import xlsxwriter

from puyun.kit.money import format_amount
from puyun.metering.usage import BUCKETS
from puyun.storage.usage import UsageRow

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def to_workbook(rows: Sequence[UsageRow], label: str, currency: str) -> bytes:
    """One sheet. `label` heads the first column. Every text is a text: a key named `=cmd()` is no formula."""
    body = BytesIO()
    with xlsxwriter.Workbook(body, _OPTIONS) as book:
        sheet = book.add_worksheet("usage")  # pyright: ignore[reportUnknownMemberType] - the library's stubs leave it open
        head = book.add_format({"bold": True, "bottom": 1})  # pyright: ignore[reportUnknownMemberType] - the library's stubs leave it open
        amount = book.add_format({"num_format": "0.000000000"})  # pyright: ignore[reportUnknownMemberType] - the library's stubs leave it open
        sheet.freeze_panes(1, 1)
        sheet.set_column(0, 0, 36)
        heads = [label, "requests", "failures", *BUCKETS, "total_tokens", "cost_exact", "cost", "currency"]
        for column, text in enumerate(heads):
            sheet.write_string(0, column, text, head)
        for line, row in enumerate(rows, 1):
            exact = format_amount(row.charge)
            counts = [row.calls, row.failures, *(getattr(row.usage, bucket) for bucket in BUCKETS), row.usage.total]
            sheet.write_string(line, 0, row.label)
            for column, number in enumerate(counts, 1):
                sheet.write_number(line, column, number)
            sheet.write_string(line, len(counts) + 1, exact)
            sheet.write_number(line, len(counts) + 2, Decimal(exact), amount)  # pyright: ignore[reportArgumentType] - it takes a Decimal; the stubs say only float
            sheet.write_string(line, len(counts) + 3, currency)
    return body.getvalue()
