"""Laying out a paper on A4: what stands where on which page, before anything is drawn. Lengths in points, from the top."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from puyun.kit.errors import PuyunError
from puyun.web.papers.fonts import width, wrap

WIDTH, HEIGHT = 595.0, 842.0
LEFT, RIGHT = 48.0, WIDTH - 48.0
TOP, BOTTOM = 48.0, HEIGHT - 64.0
FOOT = HEIGHT - 40.0

INK, MUTED, FAINT = "#1b1f24", "#5b6570", "#d5dade"
ACCENT = "#0b8a83"
"""As in the mark."""

SIZE, SMALL, LEADING = 9.0, 7.5, 13.0

ROWS_MAX = 5_000
"""Of one table: some hundred pages, some seconds of a processor. Whoever has more takes the CSV."""


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """`x` is the left end, or with `right` the right one; `y` is the base line."""

    x: float
    y: float
    text: str
    size: float = SIZE
    bold: bool = False
    color: str = INK
    right: bool = False


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A line across."""

    x: float
    y: float
    end: float
    color: str = FAINT
    weight: float = 0.5


class Mark(msgspec.Struct, frozen=True):
    """The ring whose right half is full."""

    x: float
    y: float
    radius: float


Thing = Text | Rule | Mark


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """`amounts` stand with their points below each other, `numbers` end at the right, `text` begins at the left."""

    title: str
    width: float
    kind: Literal["text", "number", "amount"] = "text"


class Layout:
    """Pages of things. `running` stands at the top of every page but the first."""

    def __init__(self, running: str) -> None:
        self.pages: list[list[Thing]] = [[]]
        self.y = TOP
        self._running = running

    def put(self, *things: Thing) -> None:
        self.pages[-1].extend(things)

    def room(self, height: float) -> bool:
        """Whether so much fits below; if not, goes on at the top of a new page."""
        if self.y + height <= BOTTOM:
            return True
        self.pages.append([Text(x=LEFT, y=TOP, text=self._running, size=SMALL, color=MUTED)])
        self.put(Rule(x=LEFT, y=TOP + 6, end=RIGHT))
        self.y = TOP + 24
        return False

    def down(self, height: float) -> None:
        self.y += height

    def heading(self, text: str, *, beside: str = "") -> None:
        """Never the last thing on a page."""
        self.room(3 * LEADING + 12)
        self.put(Text(x=LEFT, y=self.y, text=text, size=11.0, bold=True))
        if beside:
            self.put(Text(x=RIGHT, y=self.y, text=beside, size=SMALL, color=MUTED, right=True))
        self.down(10)

    def paragraph(self, text: str, *, size: float = SIZE, color: str = INK, most: float = RIGHT - LEFT) -> None:
        for line in wrap(text, size, most):
            self.room(size + 4)
            self.put(Text(x=LEFT, y=self.y, text=line, size=size, color=color))
            self.down(size + 4)

    def lines(self, x: float, most: float, title: str, texts: Sequence[str]) -> float:
        """A block beside others, from here on down; how high it is. The first text is bold."""
        y = self.y
        self.put(Text(x=x, y=y, text=title, size=SMALL, color=MUTED))
        for number, text in enumerate(texts):
            for line in wrap(text, SIZE, most, bold=number == 0):
                y += LEADING
                self.put(Text(x=x, y=y, text=line, bold=number == 0))
        return y - self.y

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[str]], *, last: int = 0) -> None:
        """Rows on as many pages as they need, the titles on each. `last`: so many rows at the end are sums, in bold.

        Raises PuyunError `too_long_for_paper` (409) beyond ROWS_MAX rows.
        """
        if len(rows) > ROWS_MAX:
            text = f"It has {len(rows)} lines, on paper there is room for {ROWS_MAX}. Take it as CSV."
            raise PuyunError("too_long_for_paper", 409, text)
        points = [_places([row[index] for row in rows]) for index in range(len(columns))]
        self._titles(columns)
        for number, row in enumerate(rows):
            total = number >= len(rows) - last
            cells = [_cell(text, column, bold=total) for text, column in zip(row, columns, strict=True)]
            height = LEADING + (max(map(len, cells)) - 1) * (SIZE + 2)
            if not self.room(height + 4):
                self._titles(columns)
            if total:
                self.put(Rule(x=LEFT, y=self.y - SIZE - 1, end=RIGHT, color=INK))
            self._row(columns, cells, points, bold=total)
            self.down(height)
            if not total:
                self.put(Rule(x=LEFT, y=self.y - SIZE - 1, end=RIGHT, weight=0.25))
        self.down(LEADING)

    def _titles(self, columns: Sequence[Column]) -> None:
        x = LEFT
        self.down(6)
        for column in columns:
            right = column.kind != "text"
            place = x + column.width if right else x
            self.put(Text(x=place, y=self.y, text=column.title, size=SMALL, color=MUTED, right=right))
            x += column.width
        self.put(Rule(x=LEFT, y=self.y + 4, end=RIGHT, color=INK))
        self.down(LEADING + 4)

    def _row(self, columns: Sequence[Column], cells: Sequence[list[str]], points: Sequence[int], *, bold: bool) -> None:
        x = LEFT
        for column, cell, places in zip(columns, cells, points, strict=True):
            end = x + column.width
            for number, line in enumerate(cell):
                y = self.y + number * (SIZE + 2)
                if column.kind == "text":
                    self.put(Text(x=x, y=y, text=line, bold=bold))
                else:
                    missing = places - _decimals(line) if column.kind == "amount" else 0
                    self.put(Text(x=end - width("0" * missing, SIZE, bold=bold), y=y, text=line, bold=bold, right=True))
            x = end


def _cell(text: str, column: Column, *, bold: bool) -> list[str]:
    return wrap(text, SIZE, column.width - 8, bold=bold) if column.kind == "text" else [text]


def _places(texts: Sequence[str]) -> int:
    return max(map(_decimals, texts), default=0)


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])
