"""How fast money is used: the mean of the days that there are, at most seven."""

import pytest
from shop import Shop

from puyun.kit.clock import DAY, HOUR
from puyun.metering.usage import Usage
from puyun.storage.engine import reading
from puyun.storage.reports.burn import Burn, load_burn

USED = Usage(output=1000)
"""0.01"""
CENT = 10_000_000


def burn(shop: Shop) -> Burn | None:
    with reading(shop.engine) as connection:
        return load_burn(connection, 7, shop.clock.now())


def test_nothing_is_told_where_nothing_was_used(shop: Shop) -> None:
    assert burn(shop) is None
    shop.sell(USED)
    shop.clock.advance(8 * DAY)
    assert burn(shop) is None


def test_who_began_lately_has_the_mean_of_fewer_days(shop: Shop) -> None:
    shop.sell(USED)
    assert burn(shop) == Burn(CENT, 1)
    shop.clock.advance(DAY + HOUR)
    shop.sell(USED)
    shop.sell(USED)
    assert burn(shop) == Burn(3 * CENT // 2, 2)
    shop.clock.advance(5 * DAY)
    assert burn(shop) == Burn(3 * CENT // 7, 7)
    shop.clock.advance(DAY)
    assert burn(shop) == Burn(2 * CENT // 7, 7)


@pytest.mark.parametrize(("available", "days"), [(0, 0), (-5, 0), (9, 0), (10, 1), (105, 10)])
def test_how_long_it_lasts_is_rounded_down(available: int, days: int) -> None:
    assert Burn(10, 7).lasts(available) == days
