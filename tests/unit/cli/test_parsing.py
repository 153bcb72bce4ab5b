import pytest

from puyun.catalog.model import Tier
from puyun.cli import parsing
from puyun.cli.failure import Exit, Failure
from puyun.kit.clock import format_instant


def test_what_is_understood() -> None:
    assert parsing.amount("5.00") == 5_000_000_000
    assert parsing.price("2.50") == 2_500_000
    assert parsing.price("none") is None
    assert format_instant(parsing.instant("2026-12-01")) == "2026-12-01T00:00:00Z"
    assert parsing.optional_instant(None) is None
    assert parsing.tiers("flex, test") == (Tier.FLEX, Tier.TEST)
    assert parsing.names(" a, ,b ") == ("a", "b")
    assert parsing.names(None) == ()


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (parsing.amount, "5,00"),
        (parsing.amount, "1e3"),
        (parsing.price, "-1"),
        (parsing.price, "0.1234567"),
        (parsing.instant, "tomorrow"),
        (parsing.tier, "gold"),
    ],
)
def test_what_is_not_is_wrong_usage(read: object, text: str) -> None:
    with pytest.raises(Failure) as refused:
        read(text)
    assert refused.value.exit_code == Exit.USAGE
    assert text in refused.value.what
