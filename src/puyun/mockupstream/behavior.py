"""Behaviour by model name: `mock`, then any of these in any order, joined by dashes.

A field that is a number is written with it (`chunk-delay-20`), a flag by its name alone (`die-midstream`).
"""

import re

import msgspec


class Behavior(msgspec.Struct, frozen=True, kw_only=True):
    """How to answer one request. The default is a well-behaved upstream that writes 10 tokens at once."""

    tokens: int = 10
    """Completion tokens, unless `max_tokens` is lower."""
    delay: int = 0
    """Milliseconds before the first byte."""
    chunk_delay: int = 0
    """Milliseconds between two chunks of a stream."""
    status: int = 200
    """Answer with this error."""
    flood: int = 0
    """Kibibytes of text in every token."""
    factor: int = 1
    """Report so many times the completion tokens that were written."""
    die_before: bool = False
    """Close without a byte."""
    die_midstream: bool = False
    """Close in the middle of the answer."""
    reset_midstream: bool = False
    """The same with a TCP reset."""
    gate: bool = False
    """Answer once `GET /open?user=…` has opened the gate of the request's user."""
    stall: bool = False
    """Never answer."""
    stall_midstream: bool = False
    """Fall silent in the middle of the answer."""
    truncated: bool = False
    """Announce a longer body than is sent, then close."""
    until_close: bool = False
    """No length and no chunks: the body ends where the connection does."""
    garbage: bool = False
    """Bytes that are no HTTP."""
    bad_json: bool = False
    """A body, or a stream's events, that are no JSON."""
    endless_line: bool = False
    """A stream whose one line never ends."""
    error_midstream: bool = False
    """An error event in the middle of a stream, then its end."""
    whole: bool = False
    """Answer whole, whatever was asked for."""
    comments: bool = False
    """Comments and event names among a stream's events, as a server may send them."""
    crlf: bool = False
    """Lines of a stream end in CR LF."""
    split: bool = False
    """Byte by byte."""
    no_usage: bool = False
    """Usage is never reported."""
    usage_twice: bool = False
    """The usage chunk comes twice."""
    usage_every: bool = False
    """Every chunk carries the usage so far."""
    usage_late: bool = False
    """The usage chunk comes 200 ms after everything else."""
    tools: bool = False
    """Call a tool instead of talking; its arguments are the words."""
    cached: bool = False
    """Half of the prompt was read from a cache."""
    reasoning: bool = False
    """Half of the completion was reasoning."""
    filtered: bool = False
    """A content filter is what ended the answer."""
    unknown_fields: bool = False
    """Fields of a future version, in the answer and in its usage."""


_FIELDS = {field.name.replace("_", "-"): (field.name, field.type is int) for field in msgspec.structs.fields(Behavior)}
_WORD = re.compile(
    "-(?:"
    + "|".join(name + r"-(\d{1,6})" if number else name for name, (_, number) in sorted(_FIELDS.items(), reverse=True))
    + r")(?=-|$)"
)


def parse_behavior(model: str) -> Behavior:
    """Raises ValueError for a name that does not describe a behaviour."""
    if not model.startswith("mock"):
        raise ValueError(f"no model {model!r}; names begin with mock")
    found: dict[str, int | bool] = {}
    at = len("mock")
    while at < len(model):
        word = _WORD.match(model, at)
        if word is None:
            raise ValueError(f"no behaviour {model[at:]!r}; expected some of {', '.join(_FIELDS)}")
        number = word[word.lastindex] if word.lastindex else None
        name = word[0][1:].removesuffix(f"-{number}")
        found[_FIELDS[name][0]] = True if number is None else int(number)
        at = word.end()
    return msgspec.convert(found, Behavior)
