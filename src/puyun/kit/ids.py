"""Typed ids. Rows are keyed by integers, people and programs see a prefix and letters.

A call id is 63 bits that grow with time: 41 bits of milliseconds since 2026, 8 bits of the process's slot,
14 bits of sequence. A request id shows the organization too, so that a receipt is one key look-up.
"""

import re

from puyun.kit.clock import Instant

EPOCH_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z in milliseconds."""

ORG_BITS = 31
ID_BITS = 47
SLOTS = 256

CALL_MAX = (1 << 63) - 1
"""The last call id, in 2095. Dates may lie beyond it: a price can begin in 2099."""

_SEQUENCE_BITS = 14
_SLOT_BITS = 8
_SHIFT = _SEQUENCE_BITS + _SLOT_BITS
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_REQUEST_ID = re.compile(r"req_[0-7][0-9a-f]{15}[0-7][0-9a-f]{7}")
"""63 bits of call and 31 of organization: what the database can hold."""
_DIGITS = {letter: value for value, letter in enumerate(_ALPHABET)}


class CallSequence:
    """Mints call ids that only grow, whatever the clock does. One per process; `slot` is unique among live ones."""

    def __init__(self, slot: int) -> None:
        self._ms = 0
        self._sequence = 0
        self.move(slot)

    def move(self, slot: int) -> None:
        """Go on in another slot: the process was taken for dead, and its old one may be given to another."""
        if not 0 <= slot < SLOTS:
            raise ValueError(f"slot {slot} is not below {SLOTS}")
        self._slot = slot << _SEQUENCE_BITS

    def next(self, now: Instant) -> int:
        ms = now // 1000 - EPOCH_MS
        if ms > self._ms:
            self._ms = ms
            self._sequence = 0
        else:
            self._sequence += 1
            if self._sequence >> _SEQUENCE_BITS:
                self._ms += 1
                self._sequence = 0
        return self._ms << _SHIFT | self._slot | self._sequence


def first_call_at(instant: Instant) -> int:
    """The smallest call id a call of this moment can have, at most CALL_MAX: turns a time range into a key range."""
    return min(max(instant // 1000 - EPOCH_MS, 0) << _SHIFT, CALL_MAX)


def call_started(call: int) -> Instant:
    """When a call id was minted, to the millisecond."""
    return Instant(((call >> _SHIFT) + EPOCH_MS) * 1000)


def request_id(org: int, call: int) -> str:
    """`req_` and 24 hexadecimal digits."""
    return f"req_{call:016x}{org:08x}"


def parse_request_id(text: str) -> tuple[int, int]:
    """(organization, call). Raises ValueError for anything request_id did not write."""
    if not _REQUEST_ID.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is not a request id; expected req_ and 24 digits")
    return int(text[20:], 16), int(text[4:20], 16)


def format_id(prefix: str, number: int) -> str:
    """`format_id("org", 7)` -> `org_7`, in base 32 without look-alike letters."""
    letters = ""
    while True:
        number, digit = divmod(number, 32)
        letters = _ALPHABET[digit] + letters
        if not number:
            return f"{prefix}_{letters}"


def parse_id(prefix: str, text: str) -> int:
    """The number behind format_id. Raises ValueError."""
    letters = text.removeprefix(prefix + "_")
    if letters == text or not letters or len(letters) > 13 or any(letter not in _DIGITS for letter in letters):
        raise ValueError(f"{text!r} is not an id of the form {prefix}_…")
    number = 0
    for letter in letters:
        number = number * 32 + _DIGITS[letter]
    return number
