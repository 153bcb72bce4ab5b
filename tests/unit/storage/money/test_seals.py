import hashlib
import json

import pytest
from books import findings, wallet
from shop import NOON, Shop
from sqlalchemy import Engine

from puyun.kit.clock import HOUR, MINUTE, Instant
from puyun.kit.errors import PuyunError
from puyun.metering.usage import Usage
from puyun.storage import schema
from puyun.storage.engine import reading, writing
from puyun.storage.money.seals import (
    LAYOUT,
    LAYOUTS,
    Draft,
    add_seal,
    draft_seal,
    last_seal,
    lines,
    list_seals,
    records,
)

SOON = Instant(NOON + HOUR + 10 * MINUTE)


def draft(engine: Engine, now: Instant) -> Draft | None:
    with reading(engine) as connection:
        return draft_seal(connection, now, 2)


def seal(engine: Engine, now: Instant) -> Draft:
    found = draft(engine, now)
    assert found is not None
    with writing(engine) as connection:
        add_seal(connection, found)
    return found


def test_a_seal_covers_every_column() -> None:
    """A new column needs a new layout, beside the old ones: earlier seals cover what there was."""
    journal, record = LAYOUTS[LAYOUT]
    assert set(journal) == {column.name for column in schema.journal.c}
    assert set(record) == {column.name for column in schema.usage_record.c}


def test_an_hour_is_sealed_ten_minutes_after_its_end_and_once(engine: Engine, shop: Shop) -> None:
    for _ in range(5):
        shop.sell(Usage(input=100))
    assert draft(engine, Instant(NOON + 5)).seal.upto == NOON - HOUR  # the journal has no hours
    first = seal(engine, SOON)
    assert (first.seal.upto, [(part.org, part.number, part.records) for part in first.parts]) == (
        NOON + HOUR,
        [(7, wallet(engine).last, 5)],
    )
    assert draft(engine, SOON) is None
    assert draft(engine, Instant(SOON + HOUR)) is None
    shop.later(2)
    shop.sell(Usage(input=100))
    second = seal(engine, Instant(SOON + 2 * HOUR))
    assert second.previous == first.seal
    assert second.parts[0].records == 1
    with reading(engine) as connection:
        assert [row.id for row in list_seals(connection, 10)] == [2, 1]
        assert last_seal(connection) == second.seal
    assert findings(engine) == []


def test_hours_stay_open_as_long_as_a_call_of_theirs(engine: Engine, shop: Shop) -> None:
    shop.sell(Usage(input=100))
    call, _ = shop.hold(1_000_000)
    shop.later(5)
    shop.sell(Usage(input=100))
    found = draft(engine, Instant(SOON + 5 * HOUR))
    assert found is not None
    assert found.seal.upto == NOON
    shop.settle(call, Usage(input=1), held=1_000_000)
    found = seal(engine, Instant(SOON + 5 * HOUR))
    assert (found.seal.upto, found.parts[0].records) == (NOON + 6 * HOUR, 3)
    assert findings(engine) == []


def test_two_processes_do_not_seal_the_same_hours(engine: Engine, shop: Shop) -> None:
    shop.sell(Usage(input=100))
    slow = draft(engine, SOON)
    assert slow is not None
    seal(engine, SOON)
    with writing(engine) as connection, pytest.raises(PuyunError) as refused:
        add_seal(connection, slow)
    assert refused.value.code == "sealed_already"


@pytest.mark.usefixtures("shop")
def test_seals_are_not_changed(engine: Engine) -> None:
    seal(engine, SOON)
    for statement in ("UPDATE seal SET upto = 0", "DELETE FROM seal_part", "UPDATE posting_key SET created_by = 'x'"):
        with pytest.raises(Exception, match="append-only"), writing(engine) as connection:
            connection.exec_driver_sql(statement)


def test_anyone_can_compute_a_seal_from_the_rows(engine: Engine, shop: Shop) -> None:
    """By JSON and SHA-256 alone, the same on every database."""
    for tokens in (1, 2, 3):
        shop.sell(Usage(input=tokens))
    found = seal(engine, SOON)
    with reading(engine) as connection:
        journal = [row for rows in lines(connection, 7, layout=1, after=0, upto=None, chunk=2) for _, row in rows]
        mine = [row for rows in records(connection, 7, layout=1, start=0, end=SOON, chunk=2) for _, row in rows]
    assert [json.loads(row)[:3] for row in journal[:2]] == [[7, 1, 0], [7, 2, 0]]
    assert all(row == json.dumps(json.loads(row), separators=(",", ":")) for row in journal + mine)
    digests = [hashlib.sha256("".join(rows).encode()).digest() for rows in (journal, mine)]
    whole = hashlib.sha256(b"".join(digests)).digest()
    assert found.parts[0].hash == whole
    link = hashlib.sha256(bytes(32) + f"[{found.seal.upto},1]".encode())
    link.update(f'[7,{wallet(engine).last},3,"{whole.hex()}"]'.encode())
    assert found.seal.hash == link.digest()
