"""Printing: tables for people, one JSON document or CSV for programs."""

import csv
import re
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import msgspec
import typer

Row = Mapping[str, object]

_FRACTION = re.compile(r"(?<=:\d\d)\.\d{6}Z$")
"""A person has no use for the microseconds of a time; JSON keeps them."""


def say(text: str) -> None:
    """To people: on stderr, so that stdout carries nothing but data."""
    typer.echo(text, err=True)


def emit_json(document: object) -> None:
    """One document. Amounts are decimal strings already."""
    encoded = msgspec.json.format(msgspec.json.encode(document), indent=2)
    typer.echo(encoded.decode())


def emit(rows: Sequence[Row], columns: Mapping[str, str], *, as_json: bool) -> None:
    """A list: all fields as JSON, or the fields named in `columns` (field -> heading) as a table."""
    if as_json:
        emit_json(rows)
    else:
        table(rows, columns)


def emit_one(fields: Row, *, as_json: bool) -> None:
    """One thing, a line a field."""
    if as_json:
        emit_json(fields)
        return
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {text(value)}")


def table(rows: Iterable[Row], columns: Mapping[str, str]) -> None:
    """On a terminal as wide as it is; elsewhere as wide as the data, so that nothing is cut off."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    terminal = sys.stdout.isatty()
    shown = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False, header_style="bold")
    rows = list(rows)
    for field, heading in columns.items():
        right = bool(rows) and all(_is_number(row.get(field)) for row in rows)
        shown.add_column(heading, justify="right" if right else "left", no_wrap=right)
    for row in rows:
        shown.add_row(*(text(row.get(field)) for field in columns))
    Console(width=None if terminal else 1000, markup=False, highlight=False, emoji=False).print(shown)


@contextmanager
def progress(what: str) -> Generator[Callable[[int, int], None]]:
    """Yields `step(done, total)`, which draws a bar on stderr if that is a terminal and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def emit_csv(rows: Iterable[Row], columns: Iterable[str]) -> None:
    writer = csv.DictWriter(sys.stdout, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def text(value: object) -> str:
    """How a person reads a field."""
    match value:
        case None | "" | () | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(text(item) for item in cast("Sequence[object]", value))
        case dict():
            return " ".join(f"{name} {text(item)}" for name, item in cast("Row", value).items())
        case _:
            return _FRACTION.sub("Z", str(value))


def _is_number(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, int) or (isinstance(value, str) and value.replace(".", "", 1).removeprefix("-").isdigit())
