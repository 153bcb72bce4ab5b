import pytest
from books import findings, lines, wallet, why
from shop import NOON, Shop
from sqlalchemy import Engine

from puyun.kit.errors import PuyunError
from puyun.kit.ids import request_id
from puyun.kit.money import NANO
from puyun.ledger.command import Act
from puyun.metering.usage import Usage
from puyun.storage.engine import writing
from puyun.storage.money.refunds import correct_call, list_refunds, load_charged, refund_call, refund_unrecorded

CHARGE = 3_500_000
"""Of it 1 000 000 is bonus: 1000 input tokens at 2.50 and 100 output tokens at 10.00."""


@pytest.fixture
def call(shop: Shop) -> int:
    return shop.sell(Usage(input=1000, output=100))


def test_a_refund_gives_back_the_split_that_was_charged(engine: Engine, call: int) -> None:
    before = wallet(engine)
    with writing(engine) as connection:
        first = refund_call(connection, 7, call, 700_000, act=why("a"), now=NOON)
        assert refund_call(connection, 7, call, 700_000, act=why("a"), now=NOON) == first
        rest = refund_call(connection, 7, call, None, act=why("all"), now=NOON)
        assert refund_call(connection, 7, call, None, act=why("all"), now=NOON) == rest
        assert lines(connection, first.transaction) == [
            ("revenue:flex", "wallet.bonus", 200_000),
            ("revenue:flex", "wallet.paid", 500_000),
        ]
        assert [(row.number, row.amount, row.from_bonus) for row in list_refunds(connection, 7, call)] == [
            (first.transaction, 700_000, 200_000),
            (rest.transaction, 2_800_000, 800_000),
        ]
        charged = load_charged(connection, 7, call)
        assert (charged.left, charged.returned_bonus) == (0, 1_000_000)
    after = wallet(engine)
    assert (after.paid - before.paid, after.bonus - before.bonus) == (2_500_000, 1_000_000)
    assert findings(engine) == []


def test_a_correction_gives_back_what_was_too_much(engine: Engine, call: int) -> None:
    with writing(engine) as connection:
        first = correct_call(connection, 7, call, 3_000_000, act=why("1"), now=NOON)
        assert correct_call(connection, 7, call, 3_000_000, act=why("1"), now=NOON) == first
        assert load_charged(connection, 7, call).left == 3_000_000
        assert list_refunds(connection, 7, call)[0].entry == "correction"
        with pytest.raises(PuyunError) as refused:
            correct_call(connection, 7, call, 3_000_001, act=why("2"), now=NOON)
        assert refused.value.code == "nothing_to_do"
    assert wallet(engine).balance == 5 * NANO + NANO // 1000 - 3_000_000
    assert findings(engine) == []


@pytest.mark.parametrize(
    ("amount", "act", "code"),
    [
        (CHARGE + 1, why("x"), "refund_above_charge"),
        (0, why("x"), "invalid_amount"),
        (-1, why("x"), "invalid_amount"),
        (1, Act("x", by="ann"), "reason_missing"),
        (2, why("first"), "reference_reused"),
    ],
)
def test_what_is_refused_changes_nothing(engine: Engine, call: int, amount: int, act: Act, code: str) -> None:
    with writing(engine) as connection:
        refund_call(connection, 7, call, 1, act=why("first"), now=NOON)
    before = wallet(engine)
    with writing(engine) as connection, pytest.raises(PuyunError) as refused:
        refund_call(connection, 7, call, amount, act=act, now=NOON)
    assert refused.value.code == code
    assert wallet(engine) == before


def test_another_s_call_is_not_found(engine: Engine, call: int) -> None:
    with writing(engine) as connection:
        for org, number in ((7, call + 1), (8, call)):
            with pytest.raises(PuyunError) as refused:
                refund_call(connection, org, number, None, act=why("x"), now=NOON)
            assert refused.value.status == 404
    assert request_id(7, call).startswith("req_")


def test_what_was_found_written_too_late_goes_back_once(shop: Shop, call: int, caplog) -> None:
    before = wallet(shop.engine)
    for _ in range(2):
        refund_unrecorded(shop.engine, shop.clock, 7, call)
    after = wallet(shop.engine)
    assert (after.paid - before.paid, after.bonus - before.bonus) == (CHARGE - 1_000_000, 1_000_000)
    with writing(shop.engine) as connection:
        (row,) = list_refunds(connection, 7, call)
    assert "not completed" in row.note
    assert findings(shop.engine) == []
    refund_unrecorded(shop.engine, shop.clock, 7, call + 1)
    assert [(record.message, record.why) for record in caplog.records] == [("give_back_refused", "call_not_found")]
