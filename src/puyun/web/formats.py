"""How numbers, money and moments are written on a page. Exact: money is text made from integers, never a float."""

from collections.abc import Callable
from functools import lru_cache

from babel.dates import format_date, format_datetime
from babel.numbers import format_percent, get_currency_symbol
from markupsafe import Markup

from puyun.kit.clock import Instant, to_datetime
from puyun.kit.ids import format_id
from puyun.kit.money import format_amount, format_pico, format_price
from puyun.web.language import Language

_THOUSAND = 1000
_KEPT = 8192
"""Prices whose text is kept: a list of a thousand models repeats few amounts many times."""


class Formats:
    """The filters of one language's templates. Prices are micro-units per million tokens, money nano-units."""

    def __init__(self, language: Language, currency: str) -> None:
        self._locale = language.locale
        self._symbol = currency_symbol(currency)
        self.price = lru_cache(_KEPT)(self._price)

    def _price(self, micro: int) -> str:
        """`$2.50`"""
        return self._symbol + grouped(format_price(micro))

    def money(self, nano: int) -> str:
        """`$0.008755`, and a true minus sign for debts."""
        text = grouped(format_amount(nano))
        return f"−{self._symbol}{text[1:]}" if text.startswith("-") else self._symbol + text

    def signed(self, nano: int) -> str:
        """What moved: `+$5.00`, `−$0.008755`."""
        return f"+{self.money(nano)}" if nano > 0 else self.money(nano)

    def exact(self, pico: int) -> str:
        """A cost in pico-units that was not rounded yet."""
        return self._symbol + grouped(format_pico(pico))

    def date(self, instant: Instant) -> str:
        return format_date(to_datetime(instant).date(), "medium", self._locale)

    def moment(self, instant: Instant) -> str:
        return format_datetime(to_datetime(instant), "medium", locale=self._locale) + " UTC"

    def share(self, part: int, whole: int) -> str:
        """A percentage with one decimal place."""
        return format_percent(part / whole if whole else 0, "#,##0.0%", self._locale)

    def filters(self) -> dict[str, Callable[..., str]]:
        return {
            "price": self.price,
            "plain_price": plain_price,
            "money": self.money,
            "plain_money": format_amount,
            "plain_exact": format_pico,
            "signed": self.signed,
            "exact": self.exact,
            "count": count,
            "short": short_count,
            "date": self.date,
            "moment": self.moment,
            "clock": clock,
            "stamp": stamp,
            "iso": iso,
            "share": self.share,
            "hundredths": hundredths,
            "duration": duration,
            "countdown": countdown,
            "key_id": key_id,
            "org_id": org_id,
            "padding": padding,
            "aligned": aligned,
        }


def currency_symbol(currency: str) -> str:
    """The shortest sign that CLDR knows in our languages: a site has one currency and names it in words beside."""
    return min((get_currency_symbol(currency, language.locale) for language in Language), key=len)


def grouped(decimal: str) -> str:
    """`1234567.50` -> `1,234,567.50`; both languages group alike."""
    whole, point, fraction = decimal.removeprefix("-").partition(".")
    return f"{'-' * decimal.startswith('-')}{int(whole):,}{point}{fraction}"


def count(number: int) -> str:
    return f"{number:,}"


def decimals(text: str) -> int:
    """How many decimal places an amount shows."""
    return len(text.partition(".")[2])


def padding(text: str, places: int) -> str:
    """The zeros that an amount lacks beside one with `places`: a style sheet gives them room, so that points align."""
    return "0" * (places - decimals(text))


@lru_cache(_KEPT)
def plain_price(micro: int) -> str:
    return format_price(micro)


@lru_cache(_KEPT)
def aligned(micro: int, places: int) -> Markup:
    """The attribute that gives a price's missing zeros their room; nothing where none is missing."""
    zeros = padding(format_price(micro), places)
    return Markup(' data-pad="{}"').format(zeros) if zeros else Markup()


def short_count(number: int) -> str:
    """A context length as people say it: 128000 -> `128K`, 1048576 -> `1M`; exact below a thousand."""
    for size, letter in ((_THOUSAND**2, "M"), (_THOUSAND, "K")):
        if number >= size:
            tenths = number * 10 // size
            return f"{tenths // 10}.{tenths % 10}".removesuffix(".0") + letter
    return str(number)


def hundredths(share: int) -> str:
    """Ten-thousandths as a percentage, `99.87%`; nothing is rounded."""
    return f"{share // 100}.{share % 100:02d}%"


def duration(microseconds: int) -> str:
    """Two digits that matter, `< 1 ms`, `3.4 ms`, `120 ms`, `1.4 s`, `120 s`: what is measured is known no better."""
    for size, unit in ((1_000_000, "s"), (1000, "ms")):
        if microseconds >= size:
            tenths = microseconds * 10 // size
            return (
                f"{tenths // 10} {unit}"
                if tenths >= 100 or tenths % 10 == 0
                else f"{tenths // 10}.{tenths % 10} {unit}"
            )
    return "< 1 ms"


def countdown(milliseconds: int) -> str:
    """How long until something happens, rounded up, `45 s`, `12 min`, `3 h 20 min`: the nearer the more exactly."""
    seconds = -(-milliseconds // 1000)
    if seconds < 60:
        return f"{seconds} s"
    minutes = -(-seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def key_id(number: int) -> str:
    return format_id("key", number)


def org_id(number: int) -> str:
    return format_id("org", number)


def clock(instant: Instant) -> str:
    return f"{to_datetime(instant):%H:%M:%S} UTC"


def stamp(instant: Instant) -> str:
    """For the rows of a log, all equally long: `2026-11-25 12:00:03`."""
    return f"{to_datetime(instant):%Y-%m-%d %H:%M:%S}"


def iso(instant: Instant) -> str:
    return f"{to_datetime(instant):%Y-%m-%dT%H:%M:%SZ}"
