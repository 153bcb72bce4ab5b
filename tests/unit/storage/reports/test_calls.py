"""The log of calls: every call once, newest first, found by what it was, without reading a whole table."""

import re

import pytest
from shop import NOON
from sqlalchemy import event

from puyun.catalog.model import Tier
from puyun.kit.clock import HOUR, Instant
from puyun.kit.ids import request_id
from puyun.ledger.command import Act
from puyun.ledger.hold import Status
from puyun.metering.usage import NO_USAGE, Usage
from puyun.storage.engine import reading, writing
from puyun.storage.money.refunds import refund_call
from puyun.storage.receipts import load_receipt
from puyun.storage.reports import calls
from puyun.storage.reports.calls import Wanted, call_page, called_models, has_calls

USAGE = Usage(input=1000, cached_input=20, output=300, reasoning=4)


def page(shop, org=7, **wanted):
    with reading(shop.engine) as connection:
        return call_page(connection, org, Wanted(**wanted))


def ids(found):
    return [row.id for row in found.rows]


def every(shop, **wanted):
    found, seen = page(shop, **wanted), []
    while True:
        seen += ids(found)
        if found.before is None:
            return seen
        found = page(shop, **wanted | {"before": found.before})


def test_a_row_says_what_the_receipt_says(shop):
    call = shop.sell(USAGE)
    with writing(shop.engine) as connection:
        refund_call(connection, 7, call, 5, act=Act("r", "ops", "a test"), now=shop.clock.now())
    (row,) = page(shop).rows
    with reading(shop.engine) as connection:
        receipt = load_receipt(connection, 7, call)
    for name in ("id", "created", "model", "key", "usage", "charge", "refunded", "status"):
        assert getattr(row, name) == getattr(receipt, name), name
    assert (row.tier, row.total_ms, row.queue_ms) == (receipt.tier_served, 300, 1)
    assert row.refunded == 5


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_pages_have_every_call_once_newest_first(shop, monkeypatch, size):
    monkeypatch.setattr(calls, "PAGE", size)
    sold = []
    for _ in range(6):
        sold += [shop.sell(Usage(input=1)), shop.sell(Usage(input=1))]
        shop.later(30)
    assert every(shop) == [request_id(7, call) for call in reversed(sold)]


def test_each_filter_finds_its_own(shop):
    first = shop.sell(USAGE)
    shop.later(1)
    failed = shop.sell(NO_USAGE, Status.FAILED)
    gone, _ = shop.hold()
    shop.crash()
    shop.later(1)
    other = shop.sell(Usage(input=3), model="n")
    numbers = {"first": first, "failed": failed, "gone": gone, "other": other}

    def found(**wanted):
        seen = set(every(shop, **wanted))
        return {name for name, call in numbers.items() if request_id(7, call) in seen}

    assert found() == set(numbers)
    assert found(model="n") == {"other"}
    assert found(model="unknown") == set()
    assert found(status=Status.FAILED) == {"failed", "gone"}
    assert found(status=Status.COMPLETED, model="m") == {"first"}
    assert found(key=shop.key.id) == set(numbers)
    assert found(key=shop.key.id + 1) == set()
    assert found(tier=Tier.FLEX) == set(numbers)
    assert found(tier=Tier.TEST) == set()
    assert found(start=Instant(NOON + HOUR), end=Instant(NOON + 2 * HOUR)) == {"failed", "gone"}
    assert page(shop, status=Status.FAILED).rows[0].status is Status.FAILED


def test_another_organization_has_none_of_them(shop):
    shop.sell(USAGE)
    with writing(shop.engine) as connection:
        shop.organization(connection, "empty", 8)
    with reading(shop.engine) as connection:
        assert call_page(connection, 8, Wanted()) == calls.CallPage([], None, None)
        assert (has_calls(connection, 7), has_calls(connection, 8)) == (True, False)
        assert called_models(connection, 7, NOON, NOON) == ["m"]
        assert called_models(connection, 8, NOON, NOON) == []
        assert called_models(connection, 7, Instant(NOON + HOUR), Instant(NOON + HOUR)) == []


def test_a_filter_that_nothing_fits_looks_only_so_far_and_goes_on(shop, monkeypatch):
    monkeypatch.setattr(calls, "LOOKED_MAX", 4)
    wanted = shop.sell(Usage(input=3), model="n")
    for _ in range(9):
        shop.later(1)
        shop.sell(Usage(input=1))
    first = page(shop, model="n")
    assert first.rows == []
    assert first.looked_to == NOON + 6 * HOUR
    assert first.before is not None
    assert every(shop, model="n") == [request_id(7, wanted)]
    assert page(shop).looked_to is None


@pytest.mark.parametrize(
    "wanted",
    [{}, {"model": "m"}, {"key": 1, "tier": Tier.FLEX, "status": Status.FAILED, "start": NOON, "end": NOON + HOUR}],
)
def test_no_query_reads_a_whole_table(shop, wanted, monkeypatch):
    monkeypatch.setattr(calls, "LOOKED_MAX", 1)
    shop.sell(USAGE)
    asked = []

    def note(_connection, _cursor, statement, parameters, *_rest):
        if "usage_record" in statement or "rollup" in statement:
            asked.append((statement, parameters))

    event.listen(shop.engine, "before_cursor_execute", note)
    with reading(shop.engine) as connection:
        call_page(connection, 7, Wanted(**wanted))
        called_models(connection, 7, NOON, NOON)
        has_calls(connection, 7)
    event.remove(shop.engine, "before_cursor_execute", note)
    assert len(asked) == (3 if not wanted else 4)
    sqlite = shop.engine.dialect.name == "sqlite"
    with reading(shop.engine) as connection:
        if not sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")  # a table of three rows is read whole
        for statement, parameters in asked:
            how = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(how + statement, parameters).all())
            assert not re.search(r"SCAN (usage_record|rollup_hour)|Seq Scan on (usage|rollup)", plan), plan
            assert "usage_record" not in statement or not re.search(r"ORDER BY|Sort", plan), plan
