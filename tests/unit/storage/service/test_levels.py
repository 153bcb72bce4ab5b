import re

import msgspec
import pytest
from sqlalchemy import Engine, event, insert, text
from till import NOON, record

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, HOUR, Instant
from puyun.ledger.hold import Status
from puyun.service.histogram import Kind
from puyun.service.verdict import INTERVAL
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.ledger.codes import TIER_CODE
from puyun.storage.ledger.inbox import post_of
from puyun.storage.service import tables
from puyun.storage.service.adding import add_all_up
from puyun.storage.service.levels import days_of_all, hours_of, hours_of_model, levels_of, levels_of_all


@pytest.fixture
def models(engine: Engine) -> None:
    with writing(engine) as connection:
        rows = [{"id": number, "name": f"m{number}", "kind": "chat", "context_length": 1} for number in (1, 2)]
        connection.execute(insert(schema.model), rows)


def post(engine: Engine, *records, at: int = NOON) -> None:
    with writing(engine) as connection:
        connection.execute(insert(tables.tally_inbox), [{"at": at, "content": post_of(records, {})}])
    add_all_up(engine)


@pytest.mark.usefixtures("models")
def test_a_period_is_one_s_own_or_everybody_s_by_model_and_tier(engine: Engine) -> None:
    post(engine, record(7, 1, 5), record(8, 2, 5, Status.CRASHED), at=NOON - 1)
    post(engine, record(7, 3, 5), record(7, 4, 5, tier="test"))
    post(engine, record(7, 5, 5), at=NOON + INTERVAL)
    with reading(engine) as connection:
        own = levels_of(connection, 7, NOON, Instant(NOON + INTERVAL))
        everybody = levels_of_all(connection, Instant(NOON - INTERVAL), Instant(NOON + 1))
        assert levels_of(connection, 9, NOON, Instant(NOON + HOUR)) == []
    assert [(each.model, each.tier, each.level.calls) for each in own] == [("m1", Tier.TEST, 1), ("m1", Tier.FLEX, 1)]
    shown = [
        (each.tier, each.level.calls, each.level.availability, each.level.at(Kind.WAIT, 500)) for each in everybody
    ]
    assert shown == [(Tier.TEST, 1, 10_000, 0), (Tier.FLEX, 3, 6666, 0)]


@pytest.mark.usefixtures("models")
def test_days_are_utc_days_of_everybody(engine: Engine) -> None:
    midnight = Instant(NOON + DAY // 2)
    post(engine, record(7, 1, 5), record(8, 2, 5, Status.CRASHED), at=midnight - 1)
    post(engine, record(7, 3, 5), at=midnight)
    with reading(engine) as connection:
        days = days_of_all(connection, NOON, midnight)
        assert days_of_all(connection, NOON, NOON) == days[:1]
    today = NOON // DAY
    assert [(day.day, day.calls, day.good, day.availability) for day in days] == [
        (today, 2, 1, 5000),
        (today + 1, 1, 1, 10_000),
    ]


def fill(engine: Engine) -> None:
    """Thirty days of two models at three tiers for everybody, a day for fifty organizations."""
    counts = {"calls": 1, "seen": "AAAB"}
    now = NOON // INTERVAL
    places = [{"model": model, "tier": tier} for model in (1, 2) for tier in TIER_CODE.values()]
    everybody = [{"interval": now - ago, **place, **counts} for ago in range(30 * 288) for place in places]
    own = [{"org": org, **row} for org in range(1, 51) for row in everybody[: 6 * 30]]
    with writing(engine) as connection:
        connection.execute(insert(tables.tally_total), everybody)
        connection.execute(insert(tables.tally), own)
        connection.execute(
            insert(tables.tally_day), [{"day": ago, **place, "calls": 1} for ago in range(900) for place in places]
        )
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            connection.execute(text("ANALYZE"))


@pytest.mark.usefixtures("models")
def test_no_look_reads_a_whole_table_of_tallies(engine: Engine) -> None:
    """However many there are, the page of everybody's status and a month of one organization find theirs by key."""
    fill(engine)
    asked: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement: str, parameters, *_: object) -> None:
        if "tally" in statement:
            asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    with reading(engine) as connection:
        assert len(levels_of_all(connection, Instant(NOON - HOUR), NOON)) == 6
        assert len(days_of_all(connection, Instant(800 * DAY), Instant(899 * DAY))) == 600
        assert len(levels_of(connection, 7, Instant(NOON - 30 * DAY), Instant(NOON + 1))) == 6
        assert hours_of(connection, 7, Instant(NOON - 30 * DAY), Instant(NOON + 1), model="m1", tier=Tier.FLEX)
    event.remove(engine, "before_cursor_execute", note)
    assert len(asked) == 4
    explain = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    with reading(engine) as connection:
        for statement, parameters in asked:
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(explain + statement, parameters).all())
            assert re.search(
                r"SEARCH (tally\w*) USING PRIMARY KEY|(Index|Bitmap Heap) Scan \w* ?\w* ?(using|on) \w*tally", plan
            ), plan
            assert not re.search(r"SCAN tally|Seq Scan on tally", plan), plan


@pytest.mark.usefixtures("models")
def test_the_hours_of_a_model_are_everybody_s_by_tier_and_no_other_model_s(engine: Engine) -> None:
    hour = NOON // HOUR
    post(engine, record(7, 1, 5), record(8, 2, 5, tier="test"), at=NOON)
    post(engine, record(7, 3, 5), record(7, 4, 5, Status.CRASHED), at=NOON + HOUR - 1)
    post(engine, record(7, 5, 5), at=NOON + HOUR)
    post(engine, record(7, 6, 5), at=NOON - 1)
    post(engine, msgspec.structs.replace(record(7, 7, 5), model=2), at=NOON)
    with reading(engine) as connection:
        found = hours_of_model(connection, "m1", hour, hour + 1)
        assert hours_of_model(connection, "nobody", hour, hour + 1) == []
    assert [(each.hour, each.tier, each.level.calls, each.level.good) for each in found] == [
        (hour, Tier.TEST, 1, 1),
        (hour, Tier.FLEX, 3, 2),
        (hour + 1, Tier.FLEX, 1, 1),
    ]


@pytest.mark.usefixtures("models")
def test_the_hours_of_an_organization_are_its_own_and_of_what_is_asked_for(engine: Engine) -> None:
    hour = NOON // HOUR
    post(engine, record(7, 1, 5), record(8, 2, 5), record(7, 3, 5, tier="test"), at=NOON)
    post(engine, record(7, 4, 5, Status.CRASHED), at=NOON + HOUR)
    post(engine, msgspec.structs.replace(record(7, 5, 5), model=2), at=NOON + HOUR)
    post(engine, record(7, 6, 5), at=NOON + 2 * HOUR)
    span = NOON, Instant(NOON + 2 * HOUR)
    with reading(engine) as connection:
        every = hours_of(connection, 7, *span)
        model = hours_of(connection, 7, *span, model="m2")
        tier = hours_of(connection, 7, *span, tier=Tier.TEST)
        assert hours_of(connection, 7, *span, model="nobody") == []
    assert [(each.hour, each.level.calls, each.level.good) for each in every] == [(hour, 2, 2), (hour + 1, 2, 1)]
    assert [(each.hour, each.level.calls) for each in model] == [(hour + 1, 1)]
    assert [(each.hour, each.level.calls) for each in tier] == [(hour, 1)]
