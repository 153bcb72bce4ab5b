import pytest
from shop import NOON, Shop

from puyun.catalog.model import Cost
from puyun.kit.clock import DAY, HOUR, Instant
from puyun.ledger.hold import Status
from puyun.metering.usage import NO_USAGE, Usage
from puyun.pricing.margin import Margin, total
from puyun.storage.engine import reading, writing
from puyun.storage.prices import add_cost
from puyun.storage.reports.margins import Facet, margins


def cost(shop: Shop, deployment: str, amount: int | None, start: int = NOON, meter: str = "input") -> None:
    with writing(shop.engine) as connection:
        row = Cost(deployment=deployment, meter=meter, amount=amount, effective_from=start)
        add_cost(connection, row, who="t", reason="", now=NOON)


def load(shop: Shop, by: Facet, start: int = NOON, end: int = NOON + 3 * DAY) -> list[Margin]:
    with reading(shop.engine) as connection:
        return margins(connection, by, Instant(start), Instant(end))


def test_charge_less_cost_is_the_margin_by_whatever_is_asked(shop: Shop) -> None:
    cost(shop, "m@p", 2_000_000)
    cost(shop, "n@p", 50_000)
    shop.sell(Usage(input=1000))
    shop.sell(NO_USAGE, Status.FAILED)
    shop.later(24)
    shop.sell(Usage(input=1000))
    shop.sell(Usage(input=1001), model="n")
    assert [(each.label, each.calls, each.charge, each.cost, each.margin) for each in load(shop, Facet.MODEL)] == [
        ("m", 3, 5_000_000, 4_000_000, 1_000_000),
        ("n", 1, 100_100, 50_050, 50_050),
    ]
    assert [(each.label, each.margin) for each in load(shop, Facet.DAY)] == [
        ("2026-11-25", 500_000),
        ("2026-11-26", 550_050),
    ]
    assert [each.label for each in load(shop, Facet.DEPLOYMENT)] == ["m@p", "n@p"]
    assert [each.label for each in load(shop, Facet.TIER)] == ["flex"]
    assert [each.label for each in load(shop, Facet.ORG)] == ["org_7"]
    for by in Facet:
        whole = total(load(shop, by))
        assert (whole.calls, whole.margin, whole.uncosted) == (4, 1_050_050, 0)
    assert total(load(shop, Facet.TIER)).from_bonus == 1_000_000


def test_each_call_costs_what_was_asked_when_it_began(shop: Shop) -> None:
    cost(shop, "m@p", 1_000_000)
    cost(shop, "m@p", 2_000_000, NOON + HOUR)
    cost(shop, "m@p", None, NOON + 2 * HOUR)
    for _ in range(3):
        shop.sell(Usage(input=1000))
        shop.later(1)
    (row,) = load(shop, Facet.MODEL)
    assert (row.calls, row.exact_cost, row.uncosted) == (3, 3_000_000_000, 1)


def test_what_is_not_known_is_no_gift(shop: Shop) -> None:
    cost(shop, "m@p", 1_000_000)
    shop.sell(Usage(input=10))
    shop.sell(Usage(input=10, output=1))
    (row,) = load(shop, Facet.DEPLOYMENT)
    assert row.uncosted == 2, "calls of a deployment are summed before they are costed"
    assert row.exact_cost == 20_000_000


@pytest.mark.parametrize(("charge", "cost_pico", "permille"), [(0, 5, None), (1000, 1, 999), (1000, 2_000_000, -1000)])
def test_a_margin_is_never_shown_too_high(charge: int, cost_pico: int, permille: int | None) -> None:
    found = Margin("x", 1, 0, charge, 0, cost_pico)
    assert found.permille == permille
    assert found.cost == -(-cost_pico // 1000)
