"""Two fonts that every reader of PDF has, so that none is embedded: Helvetica, and STSong-Light for Chinese."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import groupby

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont

LATIN, LATIN_BOLD, CHINESE = "Helvetica", "Helvetica-Bold", "STSong-Light"

UNKNOWN = "?"
"""What stands for a letter that neither font has, such as a picture."""

_NEAR = {"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i", "−": "–", "\t": " "}
"""Letters without a decomposition, and the sign that Helvetica calls a dash."""


def runs(text: str, *, bold: bool = False) -> Iterator[tuple[str, str]]:
    """(font, text), one after the other."""
    for font, letters in groupby((_known(letter) for letter in text), lambda known: known[0]):
        yield (LATIN_BOLD if bold and font == LATIN else font), "".join(letter for _, letter in letters)


def width(text: str, size: float, *, bold: bool = False) -> float:
    """In points."""
    _register()
    return sum(_width(part, font, size) for font, part in runs(text, bold=bold))


def wrap(text: str, size: float, most: float, *, bold: bool = False) -> list[str]:
    """Lines of at most so many points. Breaks at blanks and around Chinese, within a word only where it must."""
    lines: list[str] = [""]
    for piece in _pieces(text):
        if width((lines[-1] + piece).rstrip(), size, bold=bold) <= most:
            lines[-1] += piece
            continue
        if lines[-1]:
            lines.append("")
        for letter in piece:
            if lines[-1] and width(lines[-1] + letter, size, bold=bold) > most:
                lines.append("")
            lines[-1] += letter
    return [line.rstrip() for line in lines]


def _pieces(text: str) -> Iterator[str]:
    word = ""
    for letter in text:
        word += letter
        if letter in " -/" or _known(letter)[0] == CHINESE:
            yield word
            word = ""
    if word:
        yield word


@cache
def _known(letter: str) -> tuple[str, str]:
    """The font that has a letter, and the letter as that font has it."""
    letter = _NEAR.get(letter, letter)
    for font, encoding in ((LATIN, "cp1252"), (CHINESE, "gbk")):
        try:
            letter.encode(encoding)
        except UnicodeEncodeError:
            continue
        return (font, letter) if letter.isprintable() else (LATIN, UNKNOWN)
    plain = unicodedata.normalize("NFKD", letter)[:1]
    return (LATIN, plain if plain != letter and plain.isascii() else UNKNOWN)


@cache
def _register() -> None:
    pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))  # pyright: ignore[reportUnknownMemberType] - the library has no types


def _width(text: str, font: str, size: float) -> float:
    return pdfmetrics.stringWidth(text, font, size)
