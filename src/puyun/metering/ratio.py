"""Tokens a byte, learned for each model and kind of script from what providers report.

Vocabularies differ and nobody publishes them all; but every call tells how many bytes made how many tokens. The bound
is what 99.9 % of the calls stayed below. Ratios are tokens per thousand bytes, so that no fraction is needed.
"""

from collections import OrderedDict
from enum import StrEnum

PER = 1_000
"""Ratios are tokens for so many bytes."""

ENOUGH = 128
"""Calls to have seen before what they say counts."""

LEAST = 200
"""No bound goes below this, however thin the texts of late were: one organization's blanks must not set a ratio that
another's figures then exceed."""

SIZE_MIN = 256
"""Smaller texts say more about the chat template than about the vocabulary."""

_STEP = 8
_BINS = 128
_FADE = 1 << 16
"""Calls after which the older half counts half."""

_REFRESH = 64
"""Calls between two looks at the whole histogram."""


class Script(StrEnum):
    LATIN = "latin"
    CODE = "code"
    CJK = "cjk"
    OTHER = "other"


START = {Script.LATIN: 500, Script.CODE: 500, Script.CJK: 750, Script.OTHER: 1_000}
"""Before anything is known. Byte-level vocabularies never make more tokens than there are bytes."""

_ASCII = bytes(range(128))
_LINE_OF_CODE = 48
"""Code breaks its lines at least that often, prose does not."""


def script_of(text: bytes) -> Script:
    """Which kind of script JSON text is in, judged by its bytes alone; looks at each byte at most twice."""
    if text.isascii():
        lines = text.count(b"\\")  # one byte is counted much faster than two; most texts have none
        if lines * _LINE_OF_CODE > len(text):
            lines = text.count(rb"\n")
        return Script.CODE if lines * _LINE_OF_CODE > len(text) else Script.LATIN
    foreign = text.translate(None, _ASCII)
    if len(foreign) * 8 < len(text):
        return Script.LATIN
    wide = sum(foreign.count(lead) for lead in range(0xE3, 0xEE))
    return Script.CJK if wide * 4 > len(foreign) else Script.OTHER


class _Seen:
    """How often which ratio was seen, the rare high ones with the rest."""

    __slots__ = ("bins", "calls", "most", "size", "tokens")

    def __init__(self) -> None:
        self.bins = [0] * _BINS
        self.calls = self.size = self.tokens = 0
        self.most: int | None = None

    def add(self, size: int, tokens: int) -> None:
        self.bins[min(tokens * PER // size // _STEP, _BINS - 1)] += 1
        self.calls += 1
        self.size += size
        self.tokens += tokens
        if self.calls >= _FADE:
            self.bins = [count // 2 for count in self.bins]
            self.calls, self.size, self.tokens = sum(self.bins), self.size // 2, self.tokens // 2
        if self.calls >= ENOUGH and self.calls % _REFRESH == 0:
            self.most = self._look()

    def _look(self) -> int:
        """The upper edge of the bin that all but one call in a thousand stayed within."""
        above, bin_ = self.bins[-1], _BINS - 1
        while above <= self.calls // 1_000:
            bin_ -= 1
            above += self.bins[bin_]
        return max((bin_ + 1) * _STEP, LEAST)


class Ratios:
    """Bounded: of more than `cells` pairs of model and script, the one unused for longest is forgotten."""

    def __init__(self, cells: int = 2_048) -> None:
        self._cells = cells
        self._seen: OrderedDict[tuple[str, Script], _Seen] = OrderedDict()

    def observe(self, model: str, script: Script, *, size: int, tokens: int) -> None:
        """`tokens` are the input tokens reported for `size` bytes of a request without images, audio and documents."""
        if size < SIZE_MIN or tokens <= 0:
            return
        cell = (model, script)
        seen = self._seen.get(cell)
        if seen is None:
            seen = self._seen[cell] = _Seen()
            if len(self._seen) > self._cells:
                self._seen.popitem(last=False)
        else:
            self._seen.move_to_end(cell)
        seen.add(size, tokens)

    def most(self, model: str, script: Script) -> int:
        """Tokens per thousand bytes that a hold has to cover."""
        seen = self._seen.get((model, script))
        return START[script] if seen is None or seen.most is None else seen.most

    def mean(self, model: str, script: Script) -> int | None:
        """Tokens per thousand bytes to reckon with where a provider reports none; None while too little is known."""
        seen = self._seen.get((model, script))
        return None if seen is None or seen.calls < ENOUGH else seen.tokens * PER // seen.size
