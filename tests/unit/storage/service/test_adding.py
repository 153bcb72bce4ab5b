from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, insert, select
from till import NOON, record

from puyun.kit.clock import DAY
from puyun.service.histogram import Kind, histograms
from puyun.service.verdict import INTERVAL
from puyun.storage.engine import reading, writing
from puyun.storage.ledger.inbox import post_of
from puyun.storage.service import adding, tables
from puyun.storage.service.adding import add_all_up, add_up


def post(engine: Engine, *records, at: int = NOON, refused=None) -> None:
    with writing(engine) as connection:
        row = {"at": at, "content": post_of(records, refused or {})}
        connection.execute(insert(tables.tally_inbox), [row])


def rows(engine: Engine, table) -> list[tuple]:
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(select(*table.primary_key, table.c.calls)).all()]


def test_a_row_of_the_inbox_is_added_once_and_is_gone(engine: Engine) -> None:
    post(engine, record(7, 1, 5), record(7, 2, 5), record(8, 3, 5, tier="test"))
    post(engine, record(7, 4, 5), at=NOON + INTERVAL)
    assert [add_up(engine), add_up(engine)] == [2, 0]
    now, day = NOON // INTERVAL, NOON // DAY
    assert rows(engine, tables.tally) == [(7, now, 1, 2, 2), (7, now + 1, 1, 2, 1), (8, now, 1, 1, 1)]
    assert rows(engine, tables.tally_total) == [(now, 1, 1, 1), (now, 1, 2, 2), (now + 1, 1, 2, 1)]
    assert rows(engine, tables.tally_day) == [(day, 1, 1, 1), (day, 1, 2, 3)]


def test_everybody_s_five_minutes_are_kept_for_a_week_and_their_days_for_good(engine: Engine) -> None:
    post(engine, record(7, 1, 5), at=NOON - 7 * DAY)
    post(engine, record(7, 2, 5), at=NOON - 7 * DAY + INTERVAL)
    add_up(engine)
    post(engine, record(7, 3, 5))
    add_up(engine)
    now, day = NOON // INTERVAL, NOON // DAY
    assert [row[0] for row in rows(engine, tables.tally_total)] == [now - 7 * 288 + 1, now]
    assert rows(engine, tables.tally_day) == [(day - 7, 1, 2, 2), (day, 1, 2, 1)]
    assert len(rows(engine, tables.tally)) == 3


def test_several_that_add_up_at_once_add_each_row_once(engine: Engine) -> None:
    for number in range(40):
        post(engine, *(record(7, number * 10 + place, 5) for place in range(10)))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: [add_up(engine, 3) for _ in range(20)], range(4)))
    add_all_up(engine)
    assert rows(engine, tables.tally) == [(7, NOON // INTERVAL, 1, 2, 400)]


def test_a_new_row_with_the_number_of_one_that_is_gone_is_not_taken_for_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one was looking at a row another took it, and the next batch got its number."""
    post(engine, record(7, 1, 5))
    whole = adding.writing

    def overtaken(engine: Engine):
        monkeypatch.setattr(adding, "writing", whole)
        add_up(engine)
        post(engine, record(8, 2, 5), at=NOON + 1)
        return whole(engine)

    monkeypatch.setattr(adding, "writing", overtaken)
    add_all_up(engine)
    now = NOON // INTERVAL
    assert rows(engine, tables.tally) == [(7, now, 1, 2, 1), (8, now, 1, 2, 1)]


def test_a_lot_that_fails_is_whole_in_the_inbox(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    post(engine, record(7, 1, 5))

    def fail(*_: object) -> None:
        raise OSError("no disk")

    with monkeypatch.context() as broken:
        broken.setattr(adding, "_shorten", fail)
        with pytest.raises(OSError, match="no disk"):
            add_up(engine)
    assert rows(engine, tables.tally) == []
    add_all_up(engine)
    assert rows(engine, tables.tally) == [(7, NOON // INTERVAL, 1, 2, 1)]


def test_texts_stay_short_however_often_something_is_added(engine: Engine) -> None:
    for _ in range(60):
        post(engine, *(record(7, 1, 5) for _ in range(8)), refused={(7, 1, "flex", None, 1 << n): 1 for n in range(17)})
        add_up(engine)
    with reading(engine) as connection:
        for table in (tables.tally, tables.tally_total):
            seen = connection.execute(select(table.c.seen)).scalar_one()
            assert len(seen) < 2 * adding.LONG
            assert sum(histograms(seen)[Kind.WAIT].values()) == 60 * (8 + 17)
