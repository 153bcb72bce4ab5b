"""What changed in the price book, and what was announced. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.pricing.pricebook import PriceRow


class PriceChange(msgspec.Struct, frozen=True):
    """A row of the book that changes something. `before`: micro-units per million tokens, None where it had no price."""

    row: PriceRow
    before: int | None


def changes_of(rows: Iterable[PriceRow]) -> list[PriceChange]:
    """In the order in which they take effect, without what was called off, replaced before it began, or changes nothing."""
    winners: dict[tuple[str, Tier, str, Instant], PriceRow] = {}
    for row in sorted(rows, key=lambda row: (row.effective_from, row.id)):
        if row.revoked is None:
            winners[row.model, row.tier, row.meter, row.effective_from] = row
    amounts: dict[tuple[str, Tier, str], int | None] = {}
    found: list[PriceChange] = []
    for row in winners.values():
        before = amounts.get((row.model, row.tier, row.meter))
        amounts[row.model, row.tier, row.meter] = row.amount
        if row.amount != before:
            found.append(PriceChange(row, before))
    return found


def published(changes: Sequence[PriceChange], since: Instant, models: frozenset[str]) -> list[PriceChange]:
    """Those of these models that took effect since then or are announced, the one that was written last first."""
    found = [change for change in changes if change.row.effective_from >= since and change.row.model in models]
    return sorted(found, key=lambda change: (change.row.created_at, change.row.id), reverse=True)
