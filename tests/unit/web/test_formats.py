import pytest

from puyun.kit.clock import DAY, Instant
from puyun.kit.money import NANO
from puyun.web.formats import Formats, aligned, countdown, currency_symbol, duration, grouped, hundredths, short_count
from puyun.web.language import Language

ENGLISH = Formats(Language.ENGLISH, "USD")
CHINESE = Formats(Language.CHINESE, "CNY")


def test_prices_and_money_are_exact():
    assert ENGLISH.price(2_500_000) == "$2.50"
    assert ENGLISH.price(1) == "$0.000001"
    assert ENGLISH.money(8_755_000) == "$0.008755"
    assert ENGLISH.money(1_234_567 * NANO + 1) == "$1,234,567.000000001"
    assert ENGLISH.money(-5 * NANO) == "−$5.00"
    assert CHINESE.price(2_500_000) == "¥2.50"
    assert ENGLISH.exact(1_234_000_000_001) == "$1.234000000001"
    assert [ENGLISH.signed(nano) for nano in (NANO, -NANO, 0)] == ["+$1.00", "−$1.00", "$0.00"]


def test_the_shortest_sign_of_a_currency_is_used():
    assert [currency_symbol(code) for code in ("USD", "CNY", "EUR", "CHF")] == ["$", "¥", "€", "CHF"]


@pytest.mark.parametrize(
    ("text", "expected"), [("0.00", "0.00"), ("999.5", "999.5"), ("1234.5", "1,234.5"), ("-1234567", "-1,234,567")]
)
def test_thousands_are_grouped(text, expected):
    assert grouped(text) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(999, "999"), (1000, "1K"), (8192, "8.1K"), (128_000, "128K"), (1_048_576, "1M"), (2_500_000, "2.5M")],
)
def test_context_lengths_are_short(number, expected):
    assert short_count(number) == expected


@pytest.mark.parametrize(
    ("microseconds", "expected"),
    [
        (0, "< 1 ms"),
        (999, "< 1 ms"),
        (1000, "1 ms"),
        (3499, "3.4 ms"),
        (10_900, "10 ms"),
        (999_999, "999 ms"),
        (1_000_000, "1 s"),
        (1_450_000, "1.4 s"),
        (120_000_000, "120 s"),
    ],
)
def test_times_have_the_digits_that_are_known(microseconds, expected):
    assert duration(microseconds) == expected


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (0, "0 s"),
        (1, "1 s"),
        (59_000, "59 s"),
        (59_001, "1 min"),
        (61_000, "2 min"),
        (3_540_000, "59 min"),
        (3_600_000, "1 h"),
        (12_000_000, "3 h 20 min"),
        (86_400_000, "24 h"),
    ],
)
def test_a_countdown_is_never_too_short(milliseconds, expected):
    assert countdown(milliseconds) == expected


@pytest.mark.parametrize(("share", "expected"), [(10_000, "100.00%"), (9999, "99.99%"), (5, "0.05%"), (0, "0.00%")])
def test_shares_of_ten_thousand_are_exact(share, expected):
    assert hundredths(share) == expected


def test_missing_decimals_get_room_without_becoming_text():
    assert aligned(2_500_000, 4) == ' data-pad="00"'
    assert aligned(2_500_000, 2) == ""


def test_dates_shares_and_moments_follow_the_language():
    moment = Instant(20_000 * DAY + 1)
    assert ENGLISH.date(moment) == "Oct 4, 2024"
    assert CHINESE.date(moment) == "2024年10月4日"
    assert ENGLISH.moment(moment).endswith(" UTC")
    assert ENGLISH.share(1, 3) == "33.3%"
    assert ENGLISH.share(0, 0) == "0.0%"
