import msgspec
import pytest

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.portal.shop.changes import changes_of, published
from puyun.pricing.pricebook import PriceRow, Revocation


def row(number: int, amount: int | None, start: int, **fields: object) -> PriceRow:
    plain = PriceRow(
        id=number,
        model="m",
        tier=Tier.FLEX,
        meter="input",
        amount=amount,
        effective_from=Instant(start),
        created_at=Instant(number),
    )
    return msgspec.structs.replace(plain, **fields)


def told(rows: list[PriceRow]) -> list[tuple[int, int | None]]:
    return [(change.row.id, change.before) for change in changes_of(rows)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([row(2, 7, 20), row(1, 5, 10)], [(1, None), (2, 5)]),
        ([row(1, 5, 10), row(2, 5, 20)], [(1, None)]),  # changes nothing
        ([row(1, 5, 10), row(2, 6, 20, revoked=Revocation(Instant(3))), row(3, 7, 30)], [(1, None), (3, 5)]),
        ([row(1, 5, 10), row(2, 6, 20), row(3, 7, 20)], [(1, None), (3, 5)]),  # the later row of one start wins
        ([row(1, 5, 10), row(2, None, 20), row(3, 5, 30)], [(1, None), (2, 5), (3, None)]),
        ([row(1, None, 10)], []),  # withdrawn before there was a price
        (
            [row(1, 5, 10), row(2, 5, 20, tier=Tier.TEST), row(3, 5, 30, meter="output")],
            [(1, None), (2, None), (3, None)],
        ),
    ],
)
def test_a_change_is_a_row_that_changes_something(rows: list[PriceRow], expected: list[tuple[int, int | None]]) -> None:
    assert told(rows) == expected


def test_published_are_those_of_the_period_and_the_announced_ones_newest_first() -> None:
    changes = changes_of([row(1, 5, 10), row(2, 6, 20), row(4, 7, 30), row(3, 8, 1000), row(9, 1, 25, model="gone")])
    assert [change.row.id for change in published(changes, Instant(20), frozenset({"m"}))] == [4, 3, 2]
