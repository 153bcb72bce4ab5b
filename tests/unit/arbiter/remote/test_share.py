import pytest
from asking import ask, lane

from puyun.arbiter.remote.share import Share
from puyun.catalog.model import Tier

LANES = {
    1: lane(1, seats=40),
    2: lane(2, seats=12, pool="enterprise"),
    3: lane(3, seats=9, pool="dedicated:one", owner=1),
    4: lane(4, seats=1),
}


@pytest.mark.parametrize(
    ("tier", "number", "org", "part"),
    [
        (Tier.FLEX, 1, 1, 5),  # 40 × 50 % / 4
        (Tier.ENTERPRISE, 1, 1, 4),  # 40 × 45 % / 4, rounded down
        (Tier.ENTERPRISE, 2, 1, 3),
        (Tier.ENTERPRISE, 3, 1, 2),
        (Tier.ENTERPRISE, 3, 2, 0),  # of another organization
        (Tier.FLEX, 2, 1, 0),
        (Tier.FLEX, 3, 1, 0),
        (Tier.FLEX, 4, 1, 1),  # less than one for each, but one at a time is for somebody
        (Tier.ENTERPRISE, 4, 1, 1),
        (Tier.TEST, 1, 1, 0),
        (Tier.FLEX, 9, 1, 0),  # unknown
    ],
)
def test_a_worker_has_its_part_of_what_a_tier_is_sure_of(tier: Tier, number: int, org: int, part: int) -> None:
    assert Share(LANES, 4).part(ask(tier=tier, org=org), number) == part


def test_kept_lanes_come_first_and_then_the_emptiest() -> None:
    share = Share(LANES, 1)
    one = ask(tier=Tier.ENTERPRISE, lanes=(1, 4, 2, 3))
    order = []
    mine: dict[tuple[int, Tier], int] = {}
    used: dict[int, int] = {2: 9, 3: 6, 1: 39}
    while (found := share.pick(one, mine, used)) is not None:
        order.append(found.id)
        mine[found.id, Tier.ENTERPRISE] = mine.get((found.id, Tier.ENTERPRISE), 0) + 1
        used[found.id] = used.get(found.id, 0) + 1
    assert order == [3, 2, 3, 2, 3, 2, 4, 1]


def test_what_others_use_is_not_there_however_large_the_part() -> None:
    share = Share(LANES, 1)
    assert share.pick(ask(tier=Tier.FLEX), {}, {1: 40}) is None
    assert share.pick(ask(tier=Tier.FLEX), {(1, Tier.FLEX): 20}, {1: 20}) is None
    assert share.pick(ask(tier=Tier.FLEX), {(1, Tier.FLEX): 19, (1, Tier.TEST): 20}, {1: 39}) is not None
