import re

import pytest
from shop import NOON, Shop
from sqlalchemy import event, func, insert, select, update

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, HOUR, Instant
from puyun.ledger.hold import Status
from puyun.metering.usage import NO_USAGE, Usage
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.usage import Grouping, Only, Shift, Stacked, UsageRow, cost_by_model, usage_by, usage_totals

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


@pytest.mark.parametrize("by", list(Grouping))
def test_rows_add_up_to_the_journal_to_the_last_unit(shop: Shop, by: Grouping) -> None:
    sold(shop)
    shop.sell(Usage(input=1, output=3, reasoning=2))
    with reading(shop.engine) as connection:
        journal = schema.journal
        taken = select(func.sum(journal.c.amount)).where(journal.c.org == shop.org.id, journal.c.entry == "usage")
        ledger = connection.execute(taken).scalar_one()
        found = usage_by(connection, shop.org.id, by, NOON, Instant(NOON + DAY))
        over = Grouping.HOUR if by is Grouping.HOUR else Grouping.DAY
        stacked = cost_by_model(connection, shop.org.id, over, NOON, Instant(NOON + DAY))
    assert ledger > 0
    assert sum(row.charge for row in found) == ledger
    assert sum(each.charge for each in stacked) == ledger


def test_only_some_usage(shop: Shop) -> None:
    sold(shop)

    def calls(**only: object) -> int:
        with reading(shop.engine) as connection:
            chosen = Only(**only)
            total = usage_totals(connection, shop.org.id, NOON, Instant(NOON + DAY), only=chosen)
            rows = usage_by(connection, shop.org.id, Grouping.MEMBER, NOON, Instant(NOON + DAY), only=chosen)
        assert sum(row.calls for row in rows) == total.calls
        return total.calls

    assert (calls(), calls(model="m"), calls(model="n"), calls(model="x")) == (4, 3, 1, 0)
    assert (calls(key=shop.key.id), calls(key=99)) == (4, 0)
    assert (calls(tier=Tier.FLEX), calls(tier=Tier.TEST)) == (4, 0)
    assert (calls(member=0), calls(member=3)) == (4, 0)
    with writing(shop.engine) as connection:
        connection.execute(insert(schema.user).values(id=3, email="ada@example.com", created_at=NOON))
        connection.execute(update(schema.api_key).values(member=3))
    assert (calls(member=0), calls(member=3)) == (0, 4)


def test_days_follow_the_clock_of_a_zone_and_its_changes(shop: Shop) -> None:
    sold(shop)  # at 12:00 of the 25th and 01:00 of the 26th
    first = NOON // HOUR

    def days(*shifts: Shift) -> list[tuple[str, int]]:
        with reading(shop.engine) as connection:
            start, end = Instant(NOON - DAY), Instant(NOON + DAY)
            found = usage_by(connection, shop.org.id, Grouping.DAY, start, end, shifts=shifts)
            stacked = cost_by_model(connection, shop.org.id, Grouping.DAY, start, end, shifts=shifts)
        assert len({each.at for each in stacked}) == len(found)
        return [(row.label, row.calls) for row in found]

    assert days(Shift(0, 0)) == [("2026-11-25", 3), ("2026-11-26", 1)]
    assert days(Shift(0, 12)) == [("2026-11-26", 4)]
    assert days(Shift(0, -2)) == [("2026-11-25", 4)]
    assert days(Shift(0, -2), Shift(first + 13, -1)) == [("2026-11-25", 3), ("2026-11-26", 1)]
    assert days(Shift(0, -2), Shift(first + 14, -1)) == [("2026-11-25", 4)]


def test_models_beyond_the_dearest_are_put_together(shop: Shop) -> None:
    rows = [
        {"org": shop.org.id, "hour": NOON // HOUR, "key": 1, "model": 100 + n, "tier": 1, "charge": 10 + n}
        for n in range(8)
    ]
    models = [{"id": 100 + n, "name": f"m{n}", "kind": "chat", "context_length": 1} for n in range(8)]
    with writing(shop.engine) as connection:
        connection.execute(insert(schema.model), models)
        connection.execute(insert(schema.rollup_hour), rows)
    with reading(shop.engine) as connection:
        found = cost_by_model(connection, shop.org.id, Grouping.HOUR, NOON, Instant(NOON + HOUR))
    hour = NOON // HOUR
    expected = [Stacked(hour, "", 10 + 11 + 12), *(Stacked(hour, f"m{n}", 10 + n) for n in range(3, 8))]
    assert sorted(found, key=lambda each: each.model) == expected


def test_no_query_reads_a_whole_table(shop: Shop) -> None:
    sold(shop)
    asked: list[tuple[str, object]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        if "rollup" in statement:
            asked.append((statement, parameters))

    only, shifts = Only(model="m", key=1, tier=Tier.FLEX, member=0), [Shift(0, 8), Shift(NOON // HOUR, 9)]
    event.listen(shop.engine, "before_cursor_execute", note)
    with reading(shop.engine) as connection:
        for by in Grouping:
            usage_by(connection, shop.org.id, by, NOON, Instant(NOON + DAY), only=only, shifts=shifts)
        cost_by_model(connection, shop.org.id, Grouping.DAY, NOON, Instant(NOON + DAY), only=only, shifts=shifts)
    event.remove(shop.engine, "before_cursor_execute", note)
    assert len(asked) == len(Grouping) + 2
    sqlite = shop.engine.dialect.name == "sqlite"
    with reading(shop.engine) as connection:
        if not sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # a table of three rows is read whole
        for statement, parameters in asked:
            how = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(how + statement, parameters).all())
            assert not re.search(r"SCAN (usage_record|rollup_hour)|Seq Scan on (usage|rollup)", plan), plan
