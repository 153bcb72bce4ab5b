from prices import book

from puyun.catalog.model import Tier
from puyun.kit.clock import Instant
from puyun.pricing.quote import ceiling


def test_a_ceiling_is_rounded_up_and_takes_the_dearest_kind_of_each_side() -> None:
    found = book("1 input 100 from 0\n2 audio 5001 from 0\n3 output 7 from 0").rates("m", Tier.FLEX, Instant(0))
    assert found is not None
    assert ceiling(found, 2, 1) == 11  # 10_009 pico
    assert ceiling(found, 0, 0) == 0
    assert ceiling(found, 0, 1) == 1
