"""Laws of the price book that hold for any rows (P1 to P8)."""

from hypothesis import given, strategies as st

from puyun.catalog.model import METERS, Tier
from puyun.kit.clock import Instant
from puyun.kit.money import PRICE_MAX
from puyun.metering.usage import BUCKETS, Usage
from puyun.pricing.pricebook import PriceBook, PriceRow
from puyun.pricing.quote import ceiling
from puyun.pricing.rate import lines, rate

NOW = Instant(50)


def _row(number: int, meter: str, amount: int | None, start: int) -> PriceRow:
    return PriceRow(
        id=number,
        model="m",
        tier=Tier.FLEX,
        meter=meter,
        amount=amount,
        effective_from=Instant(start),
        created_at=Instant(0),
    )


amounts = st.none() | st.integers(0, PRICE_MAX)
cells = st.lists(st.tuples(st.sampled_from(METERS), amounts, st.integers(0, 100)), max_size=25)
books = cells.map(lambda found: [_row(number, *cell) for number, cell in enumerate(found, 1)])
usages = st.builds(Usage, **{bucket: st.integers(0, 10**7) for bucket in BUCKETS})


@given(books, st.randoms(use_true_random=False))
def test_the_order_in_which_rows_are_read_changes_nothing(rows: list[PriceRow], shuffled) -> None:
    mixed = rows.copy()
    shuffled.shuffle(mixed)
    for now in (0, 50, 100):
        assert PriceBook(rows).rates("m", Tier.FLEX, Instant(now)) == PriceBook(mixed).rates(
            "m", Tier.FLEX, Instant(now)
        )


@given(books, st.integers(0, 100))
def test_rates_hold_until_they_say(rows: list[PriceRow], start: int) -> None:
    """Between a moment and just before `until`, nothing changes; so a page and a call may keep them so long."""
    book = PriceBook(rows)
    rates = book.rates("m", Tier.FLEX, Instant(start))
    if rates is not None:
        last = 100 if rates.until is None else rates.until - 1
        for now in range(start, last + 1):
            assert book.rates("m", Tier.FLEX, Instant(now)) == rates


@given(books, st.lists(st.tuples(st.sampled_from(METERS), amounts), max_size=5))
def test_announcing_changes_nothing_now(rows: list[PriceRow], announced: list[tuple[str, int | None]]) -> None:
    later = [_row(1000 + number, *cell, NOW + 1) for number, cell in enumerate(announced)]
    before, after = PriceBook(rows).rates("m", Tier.FLEX, NOW), PriceBook(rows + later).rates("m", Tier.FLEX, NOW)
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        assert (before.by_meter, before.price_ids) == (after.by_meter, after.price_ids)


@given(books, usages)
def test_a_ceiling_covers_the_charge_of_the_same_usage(rows: list[PriceRow], usage: Usage) -> None:
    """P6."""
    rates = PriceBook(rows).rates("m", Tier.FLEX, NOW)
    if rates is not None:
        assert rate(usage, rates).amount <= ceiling(rates, usage.input_tokens, usage.output_tokens)


@given(books, usages)
def test_doubling_every_price_doubles_the_exact_cost(rows: list[PriceRow], usage: Usage) -> None:
    """P5."""
    doubled = [_row(r.id, r.meter, None if r.amount is None else r.amount * 2, r.effective_from) for r in rows]
    rates, twice = PriceBook(rows).rates("m", Tier.FLEX, NOW), PriceBook(doubled).rates("m", Tier.FLEX, NOW)
    assert (rates is None) == (twice is None)
    if rates is not None and twice is not None:
        assert rate(usage, twice).exact == 2 * rate(usage, rates).exact


@given(books, usages, st.lists(st.tuples(st.sampled_from(METERS), amounts, st.integers(0, 100)), max_size=5))
def test_a_record_s_price_ids_give_the_same_charge_for_ever(rows: list[PriceRow], usage: Usage, later: list) -> None:
    """P7."""
    rates = PriceBook(rows).rates("m", Tier.FLEX, NOW)
    if rates is not None:
        grown = PriceBook(rows + [_row(1000 + number, *cell) for number, cell in enumerate(later)])
        assert rate(usage, grown.recorded(rates.price_ids)) == rate(usage, rates)


@given(books, usages)
def test_a_receipt_s_lines_add_up_and_every_token_is_billed_or_named(rows: list[PriceRow], usage: Usage) -> None:
    """P8."""
    rates = PriceBook(rows).rates("m", Tier.FLEX, NOW)
    if rates is None:
        return
    charge, found = rate(usage, rates), lines(usage, rates)
    assert sum(line.exact for line in found) == charge.exact
    assert charge.amount == charge.exact // 1000
    assert {line.meter for line in found} | set(charge.unpriced) == {b for b in BUCKETS if getattr(usage, b)}
    assert all(line.exact == line.tokens * line.price for line in found)


@given(books, usages, usages)
def test_more_usage_never_costs_less(rows: list[PriceRow], usage: Usage, more: Usage) -> None:
    rates = PriceBook(rows).rates("m", Tier.FLEX, NOW)
    if rates is not None:
        both = Usage(**{bucket: getattr(usage, bucket) + getattr(more, bucket) for bucket in BUCKETS})
        assert rate(both, rates).exact == rate(usage, rates).exact + rate(more, rates).exact
