import pytest

from puyun.catalog.model import Tier
from puyun.limits.rule import AMOUNT_MAX, Metric
from puyun.portal.wishes.form import WHY_MAX, Filled, parse, read
from puyun.storage.limits.wishes import Wanted

GOOD = Filled(tier="flex", model="gpt-4o", metric="itpm", amount="5M", why="winter sale")


def parsed(**changes: str):
    fields = {name: getattr(GOOD, name) for name in Filled.__struct_fields__} | changes
    return parse(Filled(**fields), [Tier.TEST, Tier.FLEX], ["gpt-4o"])


def test_what_is_asked_for() -> None:
    assert parsed() == Wanted(tier=Tier.FLEX, model="gpt-4o", metric=Metric.ITPM, amount=5_000_000, why="winter sale")


@pytest.mark.parametrize(
    ("text", "amount"),
    [("600", 600), ("12,000", 12_000), ("1 000", 1000), ("600k", 600_000), ("12，000", 12_000), ("1_0K", 10_000)],
)
def test_amounts_as_people_write_them(text: str, amount: int) -> None:
    found = parsed(amount=text)
    assert isinstance(found, Wanted)
    assert found.amount == amount


@pytest.mark.parametrize("text", ["", "0", "-5", "5.5", "many", "1e9", "9" * 14, f"{AMOUNT_MAX + 1}", "2000000M", "٣"])
def test_what_is_no_amount(text: str) -> None:
    assert list(parsed(amount=text)) == ["amount"]


def test_every_fault_at_once_in_the_order_of_the_fields() -> None:
    faults = parse(Filled(tier="enterprise", model="gone", metric="queued"), [Tier.FLEX], ["gpt-4o"])
    assert list(faults) == ["tier", "model", "metric", "amount", "why"]
    assert list(parsed(why="x" * (WHY_MAX + 1))) == ["why"]
    assert isinstance(parsed(model=""), Wanted), "all models together"


def test_what_was_typed_is_kept() -> None:
    filled = read({"tier": "test", "amount": " 600 ", "why": "a\nb", "model": "m" * 500}, Tier.FLEX)
    assert (filled.tier, filled.amount, filled.why, len(filled.model)) == ("test", "600", "a\nb", 200)
    assert read({}, Tier.FLEX).tier == "flex"
