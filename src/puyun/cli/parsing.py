"""What people type, read once into typed values; a mistake is exit 2 and says what was expected."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from puyun.cli.failure import not_found, usage
from puyun.kit.clock import Instant, parse_instant
from puyun.kit.money import MoneyError, parse_amount, parse_price

if TYPE_CHECKING:
    from puyun.catalog.model import Tier


def amount(text: str) -> int:
    """Nano-units."""
    try:
        return parse_amount(text)
    except MoneyError as error:
        raise usage(f"{error}.", "an amount such as 5.00") from error


def price(text: str) -> int | None:
    """Micro-units per million tokens; `none` withdraws."""
    if text == "none":
        return None
    try:
        return parse_price(text)
    except MoneyError as error:
        raise usage(f"{error}.", "a price per million tokens such as 2.50, or `none` to withdraw it") from error


def instant(text: str) -> Instant:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise usage(
            f"{text!r} is no date or time.", "2026-12-01 or 2026-12-01T08:00:00Z; without a zone it is UTC"
        ) from error


def optional_instant(text: str | None) -> Instant | None:
    return None if text is None else instant(text)


def tier(text: str) -> "Tier":
    from puyun.catalog.model import Tier

    try:
        return Tier(text.strip())
    except ValueError as error:
        raise usage(f"There is no tier {text!r}.", "test, flex or enterprise") from error


def tiers(text: str) -> tuple["Tier", ...]:
    return tuple(tier(name) for name in names(text))


def names(text: str | None) -> tuple[str, ...]:
    """`a, b` -> (a, b)."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def text_of(file: Path) -> tuple[str, str]:
    """The text of a file, or of stdin for `-`, and what messages call it."""
    try:
        if str(file) == "-":
            return sys.stdin.read(), "stdin"
        return file.read_text("utf-8"), str(file)
    except FileNotFoundError as error:
        raise not_found("file", str(file), "Check the path; - reads stdin.") from error
    except UnicodeDecodeError as error:
        raise usage(f"{file} is no text: {error}.", "a file in UTF-8") from error
