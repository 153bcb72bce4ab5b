"""Money is integers, and this file is the only one that rounds.

| quantity                 | unit                               | example            |
|--------------------------|------------------------------------|--------------------|
| price                    | micro-currency per million tokens  | 2.50 = 2_500_000   |
| price of one token       | pico-currency, the same integer    | 2_500_000          |
| exact cost of a call     | pico-currency                      | tokens * price     |
| charge, hold, wallet     | nano-currency                      | 0.008755 = 8_755_000 |

Rule: DESIGN 5.1. One call is rounded once, down; a hold is rounded up, so a hold covers the charge of the same usage.
"""

from decimal import Decimal, InvalidOperation

NANO = 1_000_000_000
MICRO = 1_000_000
PICO_PER_NANO = 1_000

WALLET_MAX = 10**18
TOPUP_MAX = 10**17
PRICE_MAX = 10**11
"""Together with the largest token counts (metering.reading) it keeps the exact cost of a call within 63 bits."""


class MoneyError(ValueError):
    """An amount a person typed that we will not guess about; the message says what was expected."""


def charge_of(pico: int) -> int:
    """Nano-units to take for an exact cost in pico-units: rounded down, never above the exact amount."""
    return pico // PICO_PER_NANO


def hold_of(pico: int) -> int:
    """Nano-units to reserve for a ceiling in pico-units: rounded up."""
    return -(-pico // PICO_PER_NANO)


def parse_amount(text: str) -> int:
    """`"5.00"` -> nano-units. Raises MoneyError for anything but a plain decimal of at most 9 places."""
    return _parse(text, NANO, WALLET_MAX, "an amount such as 5.00, at most 9 decimal places")


def parse_price(text: str) -> int:
    """`"2.50"` per million tokens -> micro-units. Raises MoneyError for a sign, an exponent or a seventh decimal."""
    price = _parse(text, MICRO, PRICE_MAX, "a price per million tokens such as 2.50, at most 6 decimal places")
    if price < 0:
        raise MoneyError(f"{text!r} is negative; expected a price of zero or more")
    return price


def format_amount(nano: int) -> str:
    """Exact decimal string with at least two places: 8_755_000 -> `0.008755`, 5 * NANO -> `5.00`."""
    return _format(nano, 9)


def format_price(micro: int) -> str:
    """Exact decimal string per million tokens: 2_500_000 -> `2.50`."""
    return _format(micro, 6)


def format_pico(pico: int) -> str:
    """Exact decimal string of a cost that was not rounded yet."""
    return _format(pico, 12)


def _parse(text: str, scale: int, maximum: int, expected: str) -> int:
    text = text.strip()
    plain = text.removeprefix("-").replace(".", "", 1)
    if not plain.isascii() or not plain.isdigit():
        raise MoneyError(f"{text!r} is not {expected}")
    try:
        scaled = Decimal(text).scaleb(len(str(scale)) - 1)
    except InvalidOperation as error:
        raise MoneyError(f"{text!r} is not {expected}") from error
    if scaled != scaled.to_integral_value():
        raise MoneyError(f"{text!r} has too many decimal places; expected {expected}")
    value = int(scaled)
    if abs(value) > maximum:
        raise MoneyError(f"{text!r} is beyond the largest amount we handle")
    return value


def _format(value: int, places: int) -> str:
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), 10**places)
    digits = f"{fraction:0{places}d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{digits}"
