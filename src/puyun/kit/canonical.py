"""Canonical JSON: one document, one sequence of bytes, so that it can be signed, hashed, and compared for ever.

The form is RFC 8785 (JSON Canonicalization Scheme) for documents of strings, whole numbers up to 2**53, true, false,
null, arrays and objects: keys sorted, no blanks, UTF-8. Amounts are strings, so there are no fractions in it.
"""

import json
from typing import cast

SAFE_INTEGER = 2**53 - 1
"""RFC 8785 writes numbers as JavaScript does; beyond this two of them would look alike."""


class NotCanonicalError(ValueError):
    """A document that has no canonical form, or a text whose readers would not agree what it says."""


def encode(document: object) -> bytes:
    """The canonical bytes. Raises NotCanonicalError."""
    _check(document)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotCanonicalError("a string in it is no text") from error


def decode(text: str | bytes) -> dict[str, object]:
    """An object, however it is spaced and ordered. Raises NotCanonicalError for fractions and for keys that stand twice."""
    try:
        document: object = json.loads(
            text, object_pairs_hook=_object, parse_float=_no_fraction, parse_constant=_no_fraction
        )
        _check(document)
    except (ValueError, RecursionError) as error:
        raise NotCanonicalError(str(error)) from error
    if not isinstance(document, dict):
        raise NotCanonicalError("it is no JSON object")
    return cast("dict[str, object]", document)


def _check(value: object) -> None:
    match value:
        case None | bool() | str():
            return
        case int():
            if abs(value) > SAFE_INTEGER:
                raise NotCanonicalError(f"{value} is beyond what every reader of JSON can tell apart")
        case list() | tuple():
            for item in cast("list[object]", value):
                _check(item)
        case dict():
            for key, item in cast("dict[object, object]", value).items():
                if not isinstance(key, str) or not key.isascii():
                    raise NotCanonicalError(f"{key!r} is no key of a canonical document")
                _check(item)
        case _:
            raise NotCanonicalError(f"{value!r} has no canonical form")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotCanonicalError("a key stands twice in one object")
    return found


def _no_fraction(text: str) -> object:
    raise NotCanonicalError(f"{text} is not a whole number")
