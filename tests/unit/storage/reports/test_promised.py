"""What is held is explained to the last unit."""

from puyun.kit.money import NANO
from puyun.ledger.command import Act
from puyun.storage.engine import reading, writing
from puyun.storage.money.payments import ask_payout
from puyun.storage.reports.promised import Promised, load_promised
from puyun.storage.wallets import load_wallet


def test_calls_and_payouts_are_what_is_held(shop):
    shop.hold(3)
    shop.hold(4)
    with writing(shop.engine) as connection:
        ask_payout(connection, 7, NANO, "manual", act=Act("p", "ops", "a test"), now=shop.clock.now())
    with reading(shop.engine) as connection:
        found = load_promised(connection, 7)
        assert found == Promised(2, 7, 1, NANO)
        assert found.for_calls + found.for_payouts == load_wallet(connection, 7).held
        assert load_promised(connection, 8) == Promised(0, 0, 0, 0)
