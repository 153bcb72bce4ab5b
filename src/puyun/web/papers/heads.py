"""What statements and invoices have at their top in common: whose they are, from whom and for whom."""

from collections.abc import Sequence

from puyun.web.papers.fonts import width
from puyun.web.papers.layout import ACCENT, LEFT, MUTED, RIGHT, SIZE, TOP, Layout, Mark, Rule, Text

_COLUMN = (RIGHT - LEFT) / 2
_RADIUS = 8.0


def head(layout: Layout, brand: str, title: str, beneath: str) -> None:
    """The brand at the left, what the paper is at the right."""
    y = TOP + 14
    layout.put(Mark(LEFT + _RADIUS + 1, y - 6, _RADIUS))
    size = 16.0 if width(brand, 16.0, bold=True) <= _COLUMN - 40 else 10.0
    layout.put(Text(x=LEFT + 26, y=y, text=brand, size=size, bold=True))
    layout.put(Text(x=RIGHT, y=y, text=title, size=16.0, bold=True, right=True))
    layout.put(Text(x=RIGHT, y=y + 16, text=beneath, size=SIZE + 1, color=MUTED, right=True))
    layout.put(Rule(x=LEFT, y=y + 28, end=RIGHT, color=ACCENT, weight=1.5))
    layout.y = y + 52


def parties(layout: Layout, seller: tuple[str, Sequence[str]], buyer: tuple[str, Sequence[str]]) -> None:
    """Two blocks side by side: a title, and lines of which the first is a name."""
    most = _COLUMN - 16
    heights = [layout.lines(LEFT + side * _COLUMN, most, *each) for side, each in enumerate((seller, buyer))]
    layout.down(max(heights) + 28)


def facts(layout: Layout, rows: Sequence[tuple[str, str]]) -> None:
    """Names and values, one below the other."""
    for name, value in rows:
        layout.room(14)
        layout.put(Text(x=LEFT, y=layout.y, text=name, color=MUTED), Text(x=LEFT + 130, y=layout.y, text=value))
        layout.down(14)
    layout.down(14)
