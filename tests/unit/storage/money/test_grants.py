import pytest
from books import findings, lines, wallet, why
from shop import NOON, Shop
from sqlalchemy import Engine, select

from puyun.kit.clock import DAY, Instant
from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.ledger.acts.grant import MoneyKind
from puyun.ledger.command import Act, Posted
from puyun.metering.usage import Usage
from puyun.storage import schema
from puyun.storage.engine import writing
from puyun.storage.money.grants import adjust, expire_lot, give_bonus, give_sla_credit, lots, lots_due

LATER = Instant(NOON + 2 * DAY)
GIFT = NANO // 1000
"""What the shop has as bonus from the start, without an end."""


def test_bonus_that_ends_is_used_first_and_cut_off_when_it_has_ended(engine: Engine, shop: Shop) -> None:
    with writing(engine) as connection:
        given = give_bonus(connection, 7, 5 * GIFT, why("b"), expires_at=Instant(NOON + DAY), now=NOON)
        assert give_bonus(connection, 7, 5 * GIFT, why("b"), expires_at=Instant(NOON + DAY), now=LATER) == given
        assert lots_due(connection, NOON) == []
    shop.sell(Usage(input=800))  # 0.002
    with writing(engine) as connection:
        assert [(lot.number, lot.rest) for lot in lots(connection, 7)] == [(2, GIFT), (3, 3 * GIFT)]
        assert lots_due(connection, LATER) == [(7, 3)]
        assert expire_lot(connection, 7, 3, LATER) == 3 * GIFT
        assert lots_due(connection, LATER) == []
        assert lines(connection, 5) == [("wallet.bonus", "promo", 3 * GIFT)]
    assert wallet(engine).bonus == GIFT
    assert findings(engine) == []


def test_what_is_held_is_not_cut_off(engine: Engine, shop: Shop) -> None:
    with writing(engine) as connection:
        adjust(connection, 7, -5 * NANO, kind=MoneyKind.PAID, act=why("out"), now=NOON)
        number = give_bonus(connection, 7, 5 * GIFT, why("b"), expires_at=Instant(NOON + DAY), now=NOON).transaction
    call, _ = shop.hold(6 * GIFT)
    with writing(engine) as connection:
        assert expire_lot(connection, 7, number, LATER) == 0
        assert lots_due(connection, LATER) == [(7, number)]
    shop.settle(call, Usage(input=400), held=6 * GIFT)  # 0.001, so 4 of 5 are left of it
    shop.hold(2 * GIFT)
    with writing(engine) as connection:
        assert expire_lot(connection, 7, number, LATER) == 3 * GIFT
        assert lots_due(connection, LATER) == []
    assert (wallet(engine).bonus, wallet(engine).available) == (2 * GIFT, 0)
    assert findings(engine) == []


def test_a_used_up_lot_is_closed_without_a_posting(engine: Engine, shop: Shop) -> None:
    with writing(engine) as connection:
        number = give_bonus(connection, 7, GIFT, why("b"), expires_at=Instant(NOON + DAY), now=NOON).transaction
    shop.sell(Usage(input=800))
    last = wallet(engine).last
    with writing(engine) as connection:
        assert expire_lot(connection, 7, number, LATER) == 0
        assert lots_due(connection, LATER) == []
    assert wallet(engine).last == last


@pytest.mark.usefixtures("shop")
def test_an_sla_credit_is_given_once_for_a_period_and_objective(engine: Engine) -> None:
    def credit(amount: int, objective: str = "availability", period: str = "2026-11") -> Posted:
        with writing(engine) as connection:
            act = Act(period, "ann", "41 minutes down")
            return give_sla_credit(connection, 7, amount, kind=MoneyKind.BONUS, objective=objective, act=act, now=NOON)

    first = credit(5)
    assert credit(5) == first
    with pytest.raises(PuyunError) as refused:
        credit(6)
    assert refused.value.code == "reference_reused"
    assert credit(5, "latency").transaction == credit(5, period="2026-12").transaction - 1
    assert wallet(engine).bonus == GIFT + 15
    assert findings(engine) == []


@pytest.mark.usefixtures("shop")
def test_an_adjustment_says_who_and_why_and_stays_within_what_is_available(engine: Engine) -> None:
    with writing(engine) as connection:
        up = adjust(connection, 7, 5, kind=MoneyKind.BONUS, act=why("up"), now=NOON)
        down = adjust(connection, 7, -5 * NANO, kind=MoneyKind.PAID, act=why("down"), now=NOON)
        assert (lines(connection, up.transaction), lines(connection, down.transaction)) == (
            [("goodwill", "wallet.bonus", 5)],
            [("wallet.paid", "goodwill", 5 * NANO)],
        )
        keys = select(schema.posting_key.c.created_by).where(schema.posting_key.c.ref == "down")
        assert connection.execute(keys).scalar() == "ann"
        refusals = (
            (-1, MoneyKind.PAID, why("x"), "insufficient_credit"),
            (-GIFT - 6, MoneyKind.BONUS, why("x"), "insufficient_credit"),
            (1, MoneyKind.PAID, Act("x"), "reason_missing"),
            (0, MoneyKind.PAID, why("x"), "invalid_amount"),
            (1, MoneyKind.PAID, why(""), "invalid_reference"),
            (6, MoneyKind.BONUS, why("up"), "reference_reused"),
        )
        for amount, kind, act, code in refusals:
            with pytest.raises(PuyunError) as refused:
                adjust(connection, 7, amount, kind=kind, act=act, now=NOON)
            assert refused.value.code == code
    assert findings(engine) == []
