"""Drawing a layout as PDF. No clock, no random number: what is laid out alike is the same bytes."""

from collections.abc import Callable
from io import BytesIO
from typing import Protocol, cast

from reportlab.lib.colors import HexColor
from reportlab.pdfgen.canvas import Canvas

from puyun.web.papers.fonts import CHINESE, runs, width
from puyun.web.papers.layout import (
    ACCENT,
    FOOT,
    HEIGHT,
    MUTED,
    RIGHT,
    SMALL,
    WIDTH,
    Layout,
    Mark,
    Rule,
    Text,
    Thing,
)

MEDIA_TYPE = "application/pdf"


class _Writer(Protocol):
    """What we use of a text that is being written."""

    def setFont(self, name: str, size: float) -> None: ...  # noqa: N802 - the library's name
    def setTextRenderMode(self, mode: int) -> None: ...  # noqa: N802 - the library's name
    def textOut(self, text: str) -> None: ...  # noqa: N802 - the library's name


def draw(layout: Layout, title: str, author: str, page_of: Callable[[int, int], str], *, language: str) -> bytes:
    """`page_of(number, count)` is the text of a page's foot."""
    body = BytesIO()
    canvas = Canvas(body, pagesize=(WIDTH, HEIGHT), invariant=1, pageCompression=1, lang=language)
    canvas.setTitle(title)
    canvas.setAuthor(author)
    canvas.setCreator(author)
    for number, page in enumerate(layout.pages, 1):
        foot = page_of(number, len(layout.pages))
        for thing in (*page, Text(x=RIGHT, y=FOOT, text=foot, size=SMALL, color=MUTED, right=True)):
            _draw(canvas, thing)
        canvas.showPage()
    canvas.save()
    return body.getvalue()


def _draw(canvas: Canvas, thing: Thing) -> None:
    match thing:
        case Text():
            _text(canvas, thing)
        case Rule():
            canvas.setStrokeColor(HexColor(thing.color))
            canvas.setLineWidth(thing.weight)
            canvas.line(thing.x, HEIGHT - thing.y, thing.end, HEIGHT - thing.y)
        case Mark():
            x, y, radius = thing.x, HEIGHT - thing.y, thing.radius
            canvas.setStrokeColor(HexColor(ACCENT))
            canvas.setFillColor(HexColor(ACCENT))
            canvas.setLineWidth(radius * 0.3)
            canvas.circle(x, y, radius)
            canvas.wedge(x - radius, y - radius, x + radius, y + radius, -90, 180, stroke=0, fill=1)


def _text(canvas: Canvas, thing: Text) -> None:
    left = thing.x - width(thing.text, thing.size, bold=thing.bold) if thing.right else thing.x
    written = canvas.beginText(left, HEIGHT - thing.y)
    written.setFillColor(HexColor(thing.color))
    written.setStrokeColor(HexColor(thing.color))
    writer = cast("_Writer", written)
    for font, part in runs(thing.text, bold=thing.bold):
        writer.setFont(font, thing.size)
        # The Chinese font has one weight: its bold is an outline around what is filled.
        writer.setTextRenderMode(2 if thing.bold and font == CHINESE else 0)
        writer.textOut(part)
    writer.setTextRenderMode(0)
    canvas.saveState()
    canvas.setLineWidth(thing.size / 40)
    canvas.drawText(written)
    canvas.restoreState()
