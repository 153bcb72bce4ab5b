"""A14: the statement of a closed month is made again to the hash that was kept."""

from collections.abc import Iterator

from puyun.kit.clock import format_instant
from puyun.ledger.audit import Finding
from puyun.storage.checks.span import Span
from puyun.storage.reports.statements import changed_statements


def check_statements(span: Span) -> Iterator[Finding]:
    for org, closed in changed_statements(span.connection, span.first, span.last):
        message = f"it is not what it was when it was closed {format_instant(closed.closed_at)}"
        yield span.finding("A14", org, f"statement {closed.month}", message)
