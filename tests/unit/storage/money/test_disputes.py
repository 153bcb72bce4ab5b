import pytest
from books import findings, lines, wallet, why
from shop import NOON, Shop
from sqlalchemy import Engine

from puyun.kit.errors import PuyunError
from puyun.kit.money import NANO
from puyun.ledger.acts.dispute import Dispute
from puyun.ledger.command import Refused
from puyun.storage.engine import writing
from puyun.storage.money.disputes import DisputeRow, end_dispute, list_disputes, open_dispute


def start(engine: Engine, amount: int, ref: str = "d", fee: int = 15) -> DisputeRow:
    with writing(engine) as connection:
        asked = Dispute(org=7, amount=amount, processor="manual", fee=fee)
        return open_dispute(connection, asked, act=why(ref), now=NOON)


def end(engine: Engine, *, won: bool, ref: str = "d") -> DisputeRow:
    with writing(engine) as connection:
        return end_dispute(connection, 7, won=won, act=why(ref), now=NOON)


@pytest.mark.parametrize("won", [True, False])
def test_a_chargeback_takes_what_there_is_and_freezes(engine: Engine, shop: Shop, *, won: bool) -> None:
    _, held = shop.hold(NANO)
    assert not isinstance(held, Refused)
    before = wallet(engine)
    row = start(engine, 6 * NANO)
    assert start(engine, 6 * NANO) == row
    free = before.available
    assert (row.debt, wallet(engine).paid, wallet(engine).frozen) == (6 * NANO - free, before.paid - free, True)
    assert wallet(engine).available == 0
    assert isinstance(shop.hold(1)[1], Refused)
    with writing(engine) as connection:
        assert lines(connection, 3) == [
            ("wallet.paid", "processor:manual", free),
            ("receivable:disputes", "processor:manual", 6 * NANO - free),
            ("fees", "processor:manual", 15),
        ]
    assert findings(engine) == []
    ended = end(engine, won=won)
    assert end(engine, won=won) == ended
    assert (ended.state, wallet(engine).frozen) == ("won" if won else "lost", False)
    assert wallet(engine).paid == (before.paid if won else before.paid - free)
    with pytest.raises(PuyunError) as refused:
        end(engine, won=not won)
    assert refused.value.code == "already_ended"
    assert findings(engine) == []


@pytest.mark.usefixtures("shop")
def test_a_wallet_thaws_with_its_last_dispute(engine: Engine) -> None:
    start(engine, 1, "one")
    start(engine, 2, "two", fee=0)
    end(engine, won=False, ref="one")
    assert wallet(engine).frozen
    end(engine, won=True, ref="two")
    assert not wallet(engine).frozen
    with writing(engine) as connection:
        assert {row.ref: row.state for row in list_disputes(connection, 7)} == {"one": "lost", "two": "won"}
        assert list_disputes(connection, None) == list_disputes(connection, 7)
    assert findings(engine) == []


@pytest.mark.usefixtures("shop")
def test_refusals(engine: Engine) -> None:
    start(engine, 1)
    for act, code in (
        (lambda: start(engine, 2), "reference_reused"),
        (lambda: start(engine, 0, "x"), "invalid_amount"),
        (lambda: end(engine, won=True, ref="none"), "dispute_not_found"),
    ):
        with pytest.raises(PuyunError) as refused:
            act()
        assert refused.value.code == code
