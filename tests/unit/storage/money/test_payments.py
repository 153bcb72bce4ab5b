import pytest
from books import findings, lines, wallet, why
from shop import NOON, Shop
from sqlalchemy import Engine

from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.ledger.acts.topup import Payment
from puyun.ledger.command import Act
from puyun.metering.usage import Usage
from puyun.storage.engine import writing
from puyun.storage.money.payments import Payout, ask_payout, end_payout, list_payouts, take_payment

STRIPE = Payment(amount=100, tax=19, area="DE", fee=3, processor="stripe")


@pytest.mark.usefixtures("shop")
def test_a_payment_with_tax_and_fee_credits_what_it_was_for(engine: Engine) -> None:
    before = wallet(engine)
    with writing(engine) as connection:
        first = take_payment(connection, 7, STRIPE, why("p"), NOON)
        assert take_payment(connection, 7, STRIPE, why("p"), NOON) == first
        assert lines(connection, first.transaction) == [
            ("processor:stripe", "wallet.paid", 100),
            ("processor:stripe", "tax:DE", 19),
        ]
        assert lines(connection, first.transaction + 1) == [("fees", "processor:stripe", 3)]
    assert (wallet(engine).paid, wallet(engine).last) == (before.paid + 100, before.last + 2)
    assert findings(engine) == []


def ask(engine: Engine, amount: int, ref: str = "o", processor: str = "manual", act: Act | None = None) -> Payout:
    with writing(engine) as connection:
        return ask_payout(connection, 7, amount, processor, act=act or why(ref), now=NOON)


def end(engine: Engine, payout: int, *, paid: bool) -> Payout:
    with writing(engine) as connection:
        return end_payout(connection, payout, paid=paid, act=why(""), now=NOON)


@pytest.mark.usefixtures("shop")
def test_a_payout_is_held_first_and_taken_when_it_went_out(engine: Engine) -> None:
    payout = ask(engine, 2 * NANO)
    assert ask(engine, 2 * NANO) == payout
    assert (wallet(engine).held, wallet(engine).paid) == (2 * NANO, 5 * NANO)
    assert findings(engine) == []
    paid = end(engine, payout.id, paid=True)
    assert end(engine, payout.id, paid=True) == paid
    assert (wallet(engine).held, wallet(engine).paid) == (0, 3 * NANO)
    with writing(engine) as connection:
        assert lines(connection, 3) == [("wallet.paid", "processor:manual", 2 * NANO)]
        assert [row.state for row in list_payouts(connection, 7)] == ["paid"]
        assert list_payouts(connection, 8) == []
    with pytest.raises(PuyunError) as refused:
        end(engine, payout.id, paid=False)
    assert refused.value.code == "already_ended"
    assert findings(engine) == []


@pytest.mark.usefixtures("shop")
def test_a_payout_that_stays_is_available_again(engine: Engine) -> None:
    before = wallet(engine)
    payout = ask(engine, 5 * NANO)
    assert end(engine, payout.id, paid=False).state == "cancelled"
    assert end(engine, payout.id, paid=False).state == "cancelled"
    assert wallet(engine) == before
    with pytest.raises(PuyunError) as refused:
        end(engine, payout.id, paid=True)
    assert refused.value.code == "already_ended"
    with pytest.raises(PuyunError) as refused:
        end(engine, 99, paid=True)
    assert refused.value.code == "payout_not_found"


def test_what_cannot_be_paid_out(engine: Engine, shop: Shop) -> None:
    """Never bonus, never what is held, never more than came that way."""
    with writing(engine) as connection:
        take_payment(connection, 7, Payment(amount=7, processor="stripe"), why("s"), NOON)
    ask(engine, 7, "first", "stripe")
    for amount, ref, processor, act, code in (
        (5 * NANO + 8, "x", "manual", None, "insufficient_credit"),
        (8, "x", "paypal", None, "payout_above_payments"),
        (8, "first", "stripe", None, "reference_reused"),
        (0, "x", "manual", None, "invalid_amount"),
        (1, "x", "manual", Act("x"), "reason_missing"),
    ):
        with pytest.raises(PuyunError) as refused:
            ask(engine, amount, ref, processor, act)
        assert refused.value.code == code
    shop.sell(Usage(input=400))  # takes the bonus
    shop.hold(3 * NANO)
    with pytest.raises(PuyunError) as refused:
        ask(engine, 2 * NANO + 1, "x")
    assert refused.value.code == "insufficient_credit"
    assert ask(engine, 2 * NANO, "x").state == "held"
    assert wallet(engine).available == 0
    assert findings(engine) == []
