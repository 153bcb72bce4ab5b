from shop import NOON, Shop

from puyun.catalog.model import Tier
from puyun.kit.clock import HOUR, Instant
from puyun.metering.usage import Usage
from puyun.pricing.proposal import Cell
from puyun.storage.engine import reading
from puyun.storage.reports.consumption import consumption


def test_usage_of_whole_hours_by_organization_and_offer(shop: Shop) -> None:
    shop.sell(Usage(input=1000, output=2))
    shop.sell(Usage(input=500))
    shop.sell(Usage(input=7), model="n")
    shop.later(1)
    shop.sell(Usage(input=9))
    with reading(shop.engine) as connection:
        found = consumption(connection, NOON, Instant(NOON + HOUR))
        assert found == [
            Cell(7, "m", Tier.FLEX, Usage(input=1500, output=2), 3_770_000),
            Cell(7, "n", Tier.FLEX, Usage(input=7), 700),
        ]
        assert consumption(connection, Instant(NOON - HOUR), NOON) == []
