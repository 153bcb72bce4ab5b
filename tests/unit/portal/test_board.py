from stage.pages import CHAT, shop

from puyun.catalog.model import Tier
from puyun.kit.clock import DAY, ManualClock
from puyun.portal.board import PriceBoard


def price(board):
    return next(offer for offer in board.current().offers if offer.tier is Tier.FLEX and offer.model == CHAT).prices[
        "input"
    ]


def test_the_list_is_made_once_and_again_when_the_catalogue_changes():
    prices = shop()
    board = PriceBoard(lambda: prices, ManualClock(DAY))
    first = board.current()
    assert board.current() is first
    prices.set(CHAT, Tier.FLEX, "input", "3")
    assert price(board) == 3_000_000
    assert board.current() is not first


def test_an_announced_price_takes_effect_at_its_moment():
    prices, clock = shop(), ManualClock(DAY)
    prices.set(CHAT, Tier.FLEX, "input", "9", start=2 * DAY)
    board = PriceBoard(lambda: prices, clock)
    assert price(board) == 2_500_000
    clock.advance(DAY - 1)
    assert price(board) == 2_500_000
    version = board.current().version
    clock.advance(1)
    assert price(board) == 9_000_000
    assert board.current().version != version
