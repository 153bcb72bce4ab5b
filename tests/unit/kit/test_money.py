import pytest
from hypothesis import given, strategies as st

from puyun.kit.money import (
    MICRO,
    NANO,
    PRICE_MAX,
    TOPUP_MAX,
    WALLET_MAX,
    MoneyError,
    charge_of,
    format_amount,
    format_pico,
    format_price,
    hold_of,
    parse_amount,
    parse_price,
)
from puyun.metering.reading import COUNT_MAX

AMOUNTS = """
5                    5000000000
5.00                 5000000000
0.008755             8755000
0.000000001          1
-1.5                 -1500000000
 12.5                12500000000
.5                   500000000
5.                   5000000000
00012                12000000000
-0                   0
1000000000           1000000000000000000
1.0000000000000      1000000000
"""


@pytest.mark.parametrize("row", AMOUNTS.strip("\n").splitlines())
def test_amounts_that_are_understood(row: str) -> None:
    text, nano = row[:21].rstrip(), int(row[21:])
    assert parse_amount(text) == nano


REFUSED = """
""                   is not an amount
"-"                  is not an amount
"."                  is not an amount
"1e3"                is not an amount
"1_000"              is not an amount
"1,50"               is not an amount
"1.2.3"              is not an amount
"--5"                is not an amount
"+5"                 is not an amount
"5 USD"              is not an amount
"$5"                 is not an amount
"NaN"                is not an amount
"Infinity"           is not an amount
"٣"                  is not an amount
"５"                 is not an amount
"²"                  is not an amount
"0.0000000001"       too many decimal places
"1.0000000009999"    too many decimal places
"1000000000.1"       beyond the largest
"-1000000000.1"      beyond the largest
"""


@pytest.mark.parametrize("row", REFUSED.strip().splitlines())
def test_amounts_that_are_not_guessed_about(row: str) -> None:
    _, text, message = row.split('"')
    with pytest.raises(MoneyError, match=message.strip()) as caught:
        parse_amount(text)
    assert repr(text) in str(caught.value)


def test_a_huge_number_of_digits_is_refused_and_not_worked_on() -> None:
    for text in ("9" * 5000, "0." + "0" * 5000 + "1"):
        with pytest.raises(MoneyError):
            parse_amount(text)


@pytest.mark.parametrize("text", ["0.0000001", "-1", "-0.000001", "100000.000001", "1e-3", "free", ""])
def test_prices_that_are_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        parse_price(text)


def test_prices_that_are_understood() -> None:
    assert [parse_price(text) for text in ("2.50", "0", "0.000001", "100000")] == [2_500_000, 0, 1, PRICE_MAX]


@given(st.integers(-WALLET_MAX, WALLET_MAX))
def test_every_amount_survives_being_written(nano: int) -> None:
    text = format_amount(nano)
    assert parse_amount(text) == nano
    assert len(text.partition(".")[2]) >= 2


@given(st.integers(0, PRICE_MAX))
def test_every_price_survives_being_written(micro: int) -> None:
    assert parse_price(format_price(micro)) == micro


SHOWN = [
    (format_amount, 8_755_000, "0.008755"),
    (format_amount, 5 * NANO, "5.00"),
    (format_amount, -1, "-0.000000001"),
    (format_amount, -NANO // 2, "-0.50"),
    (format_amount, 0, "0.00"),
    (format_price, 2_500_000, "2.50"),
    (format_price, 1, "0.000001"),
    (format_price, 10 * MICRO, "10.00"),
    (format_pico, 1, "0.000000000001"),
    (format_pico, 8_755_000_500, "0.0087550005"),
]


@pytest.mark.parametrize(("show", "value", "text"), SHOWN)
def test_how_figures_are_written(show, value: int, text: str) -> None:
    assert show(value) == text


@given(st.integers(0, 10**24))
def test_one_call_is_rounded_once_and_down_and_a_hold_up(pico: int) -> None:
    """DESIGN 5.1, I15: never above the exact cost, never more than one nano-unit below it."""
    assert 0 <= pico - charge_of(pico) * 1000 < 1000
    assert 0 <= hold_of(pico) * 1000 - pico < 1000
    assert charge_of(pico) <= hold_of(pico) <= charge_of(pico) + 1


@given(st.lists(st.integers(0, 10**15)))
def test_rounding_once_takes_no_more_than_rounding_often(parts: list[int]) -> None:
    assert charge_of(sum(parts)) >= sum(charge_of(part) for part in parts)
    assert hold_of(sum(parts)) <= sum(hold_of(part) for part in parts)


def test_the_dearest_call_fits_an_integer_of_the_database() -> None:
    """Prompt, completion, and reasoning outside of it: no provider's figures can break a settle."""
    assert 3 * COUNT_MAX * PRICE_MAX < 2**63
    assert TOPUP_MAX <= WALLET_MAX < 2**63
