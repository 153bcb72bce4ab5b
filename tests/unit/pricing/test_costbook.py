from puyun.kit.clock import Instant
from puyun.metering.usage import Usage
from puyun.pricing.costbook import Cost, CostBook, CostRow, cost_of


def row(number: int, meter: str, amount: int | None, start: int) -> CostRow:
    return CostRow(
        id=number,
        deployment="d",
        meter=meter,
        amount=amount,
        effective_from=Instant(start),
        created_at=Instant(0),
    )


BOOK = CostBook([row(1, "input", 20, 0), row(2, "output", 90, 0), row(4, "input", 30, 10), row(5, "output", None, 20)])


def test_costs_are_dated_and_fall_back_as_prices_do() -> None:
    costs = BOOK.costs("d", Instant(9))
    assert (costs["input"], costs["cached_input"], costs["cache_write_1h"], costs["reasoning"]) == (20, 20, 20, 90)
    assert BOOK.costs("d", Instant(10))["input"] == 30
    assert "output" not in BOOK.costs("d", Instant(20))
    assert BOOK.costs("other", Instant(9)) == {}


def test_a_cost_is_exact_and_names_what_is_not_known() -> None:
    usage = Usage(input=3, cached_input=2, output=5, audio=1)
    assert cost_of(usage, BOOK.costs("d", Instant(0))) == Cost(3 * 20 + 2 * 20 + 5 * 90, ("audio",))
    assert cost_of(usage, {}) == Cost(0, ("input", "cached_input", "audio", "output"))


def test_the_moments_at_which_costs_change() -> None:
    assert BOOK.changes(Instant(0), Instant(20)) == [10]
    assert BOOK.changes(Instant(-1), Instant(99)) == [0, 10, 20]
