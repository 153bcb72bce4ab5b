"""What one value of a catalogue file must look like. Each reader gives the typed value or raises FieldError."""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from numbers import Real
from typing import cast
from urllib.parse import urlsplit

from puyun.catalog.fault import nearest
from puyun.kit.clock import Instant, from_datetime
from puyun.kit.money import parse_price

NAME_MAX = 128
URL_MAX = 500
WITHDRAWN = "withdrawn"
"""Stands where a price could: from then on the meter has none."""

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:/@+-]{{0,{NAME_MAX - 1}}}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LAST_YEAR = from_datetime(dt.datetime(9999, 1, 1, tzinfo=dt.UTC))
_KINDS = ((bool, "true or false"), (Real, "a number"), (str, "a string"), (list, "an array"), (dict, "a table"))


class FieldError(ValueError):
    """A value that is refused; the message says what was expected and never holds a secret."""


def name(value: object) -> str:
    text = _string(value)
    if not _NAME.fullmatch(text):
        raise FieldError(
            f"{_shown(text)} is not a name: 1 to {NAME_MAX} letters, digits and . _ - : / @ +, a letter or digit first"
        )
    return text


def names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise FieldError(f'expected an array of names such as ["gpt-4o@openai"], got {_kind(value)}')
    found = tuple(name(item) for item in cast("list[object]", value))
    if twice := [item for index, item in enumerate(found) if item in found[:index]]:
        raise FieldError(f'"{twice[0]}" is listed twice')
    return found


def upstream_name(value: object) -> str:
    """A vendor's own name for a model: we send it on as it is."""
    text = _string(value)
    if not 0 < len(text) <= 2 * NAME_MAX or " " in text or not text.isprintable():
        raise FieldError(f"{_shown(text)} is not a model's name: 1 to {2 * NAME_MAX} printable characters, no blanks")
    return text


def line_of_text(maximum: int) -> Callable[[object], str]:
    def read(value: object) -> str:
        text = _string(value)
        if len(text) > maximum or any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in text):
            raise FieldError(f"expected one line of at most {maximum} characters, got {_shown(text)}")
        return text

    return read


def whole_number(minimum: int, maximum: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise FieldError(f"expected a whole number without quotes, got {_kind(value)}")
        if not minimum <= value <= maximum:
            raise FieldError(f"{value} is out of range; expected {minimum} to {maximum}")
        return value

    return read


def yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise FieldError(f"expected true or false, got {_kind(value)}")
    return value


def one_of(choices: type[StrEnum]) -> Callable[[object], StrEnum]:
    words = [choice.value for choice in choices]

    def read(value: object) -> StrEnum:
        text = _string(value)
        if text not in words:
            raise FieldError(f"there is no {choices.__name__.lower()} {_shown(text)}{nearest(text, words)}")
        return choices(text)

    return read


def base_url(value: object) -> str:
    """An absolute http or https address, kept without a closing slash. It may not carry credentials."""
    text = _string(value)
    expected = "expected an address such as https://api.example.com/v1"
    if len(text) > URL_MAX or " " in text or not text.isprintable():
        raise FieldError(f"{_shown(text)} has blanks or is too long; {expected}")
    try:
        parts = urlsplit(text)
        secret = parts.username is not None or parts.password is not None
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError as error:
        raise FieldError(f"not an address ({error}); {expected}") from error
    if secret:
        raise FieldError("an address with a user or password in it; name the secret in api_key, as env:NAME")
    if not usable or "?" in text or "#" in text:
        raise FieldError(f"{_shown(text)} is not an http or https address without ? and #; {expected}")
    return text.rstrip("/")


def secret_reference(value: object) -> str:
    """`env:NAME` or `file:PATH`. A literal secret is refused, and never repeated in the message."""
    text = value if isinstance(value, str) else ""
    scheme, _, rest = text.partition(":")
    if scheme == "env" and _VARIABLE.fullmatch(rest):
        return text
    if scheme == "file" and rest.strip() and len(rest) <= URL_MAX and rest.isprintable():
        return text
    if scheme in {"env", "file"}:
        raise FieldError(
            f"expected {'env:NAME, the name of an environment variable' if scheme == 'env' else 'file:PATH'}"
        )
    raise FieldError(
        "a secret does not belong in this file: put it into an environment variable and write env:NAME, "
        "or into a file and write file:PATH; if this one is real, renew it at the provider"
    )


def pool(value: object) -> str:
    text = _string(value)
    kind, colon, organization = text.partition(":")
    dedicated = kind == "dedicated" and 0 < len(organization.strip()) <= 100 and organization.isprintable()
    if text in {"shared", "enterprise"} or dedicated:
        return text
    if kind == "dedicated" or colon:
        raise FieldError(f"{_shown(text)} is not a pool; a dedicated one names its organization, as dedicated:ORG")
    raise FieldError(f"there is no pool {_shown(text)}{nearest(text, ['shared', 'enterprise', 'dedicated:ORG'])}")


def price(value: object) -> int | None:
    """Micro-units per million tokens out of a decimal string; None for `withdrawn`. A TOML number is refused."""
    if _kind(value) == "a number":
        raise FieldError(f'write {value} in quotes, as "{value}": money is read digit by digit')
    text = _string(value)
    return None if text == WITHDRAWN else parse_price(text)


def moment(value: object) -> Instant:
    """A TOML date or time; without an offset it is UTC."""
    if isinstance(value, dt.date):
        time = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - from_datetime reads it as UTC
        instant = from_datetime(time)
        if 0 <= instant < _LAST_YEAR:
            return instant
    raise FieldError("expected a time without quotes such as 2026-12-01T00:00:00Z, in the years 1970 to 9998")


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise FieldError(f"expected a string in quotes, got {_kind(value)}")
    return value


def _kind(value: object) -> str:
    return next((words for kind, words in _KINDS if isinstance(value, kind)), "a date or time")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
