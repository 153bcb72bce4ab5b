from shop import NOON, Shop
from sqlalchemy import insert, update

from puyun.kit.clock import DAY, HOUR, Instant
from puyun.ledger.hold import Status
from puyun.metering.usage import NO_USAGE, Usage
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.usage import Grouping, UsageRow, usage_by, usage_totals

BIG = Usage(input=1000, output=100, cached_input=10)
SMALL = Usage(input=10)


def rows(shop: Shop, by: Grouping, start: int = NOON, end: int = NOON + DAY) -> list[UsageRow]:
    with reading(shop.engine) as connection:
        return usage_by(connection, shop.org.id, by, Instant(start), Instant(end))


def sold(shop: Shop) -> None:
    shop.sell(BIG)
    shop.sell(SMALL, model="n")
    shop.sell(NO_USAGE, Status.FAILED, held=5)
    shop.later(13)
    shop.sell(BIG)


def test_by_model_the_dearest_comes_first(shop: Shop) -> None:
    sold(shop)
    big = 2 * (1010 * 2_500_000 + 100 * 10_000_000) // 1000
    assert rows(shop, Grouping.MODEL) == [
        UsageRow("m", 3, 1, Usage(input=2000, output=200, cached_input=20), big),
        UsageRow("n", 1, 0, SMALL, 10 * 100_000 // 1000),
    ]


def test_every_grouping_adds_up_to_the_total(shop: Shop) -> None:
    sold(shop)
    with reading(shop.engine) as connection:
        total = usage_totals(connection, shop.org.id, NOON, Instant(NOON + DAY))
    assert (total.calls, total.failures) == (4, 1)
    for by in Grouping:
        found = rows(shop, by)
        assert sum(row.charge for row in found) == total.charge
        assert sum(row.calls for row in found) == total.calls
        assert sum(row.usage.total for row in found) == total.usage.total


def test_labels_are_names_and_times(shop: Shop) -> None:
    sold(shop)
    assert [row.label for row in rows(shop, Grouping.DAY)] == ["2026-11-25", "2026-11-26"]
    assert [row.label for row in rows(shop, Grouping.HOUR)] == ["2026-11-25T12:00:00Z", "2026-11-26T01:00:00Z"]
    assert [row.label for row in rows(shop, Grouping.TIER)] == ["flex"]
    assert [row.label for row in rows(shop, Grouping.KEY)] == ["ci (key_1)"]
    assert [row.label for row in rows(shop, Grouping.MEMBER)] == ["(no member)"]
    with writing(shop.engine) as connection:
        connection.execute(insert(schema.user).values(id=3, email="ada@example.com", created_at=NOON))
        connection.execute(update(schema.api_key).values(member=3, name=""))
    assert [row.label for row in rows(shop, Grouping.MEMBER)] == ["ada@example.com"]
    assert [row.label for row in rows(shop, Grouping.KEY)] == [f"{shop.key.prefix} (key_1)"]


def test_a_period_covers_whole_hours_and_not_the_one_after(shop: Shop) -> None:
    sold(shop)
    assert rows(shop, Grouping.MODEL, NOON + HOUR, NOON + 13 * HOUR) == []
    assert [row.calls for row in rows(shop, Grouping.HOUR, NOON + 5, NOON + 6)] == [3]
    assert [row.calls for row in rows(shop, Grouping.HOUR, NOON + HOUR, NOON + 13 * HOUR + 1)] == [1]


def test_no_usage_is_an_empty_table_and_a_zero_total(shop: Shop) -> None:
    assert rows(shop, Grouping.MODEL) == []
    with reading(shop.engine) as connection:
        assert usage_totals(connection, 99, NOON, Instant(NOON + DAY)) == UsageRow("total", 0, 0, NO_USAGE, 0)
