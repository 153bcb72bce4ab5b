"""A CSV file, read strictly: known columns, whole rows, every fault with its line."""

import csv
from collections.abc import Callable, Mapping, Sequence
from io import StringIO

from puyun.catalog.fault import CatalogErrors, Fault, nearest

Readers = Mapping[str, Callable[[str], object]]
"""What each column's text means; a reader raises ValueError."""

Row = tuple[int, dict[str, object]]
"""A line's number and its values."""


def read_table(text: str, source: str, readers: Readers, needed: Sequence[str]) -> tuple[list[Row], list[Fault]]:
    """The rows that can be read, and what is wrong with others. Columns may stand in any order.

    Raises CatalogErrors for what is no CSV, and for a head with unknown, missing or repeated columns.
    """
    reader = csv.reader(StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        lines = [(reader.line_num, line) for line in reader if line]
    except csv.Error as error:
        raise CatalogErrors(source, [Fault(reader.line_num, "", f"not CSV: {error}")]) from error
    head = [name.strip() for name in lines[0][1]] if lines else []
    wrong = [Fault(1, name, f'unknown column "{name}"{nearest(name, readers)}') for name in head if name not in readers]
    wrong += [Fault(1, name, f'the column "{name}" is missing') for name in needed if name not in head]
    wrong += [Fault(1, name, f'the column "{name}" stands twice') for name in readers if head.count(name) > 1]
    if wrong:
        raise CatalogErrors(source, wrong)
    rows: list[Row] = []
    faults: list[Fault] = []
    for number, line in lines[1:]:
        values = _values(head, line, number, readers, faults)
        if values is not None:
            rows.append((number, values))
    return rows, faults


def _values(
    head: list[str], line: list[str], number: int, readers: Readers, faults: list[Fault]
) -> dict[str, object] | None:
    if len(line) != len(head):
        faults.append(Fault(number, "", f"{len(line)} fields, the head has {len(head)}"))
        return None
    before = len(faults)
    values: dict[str, object] = {}
    for column, text in zip(head, line, strict=True):
        try:
            values[column] = readers[column](text.strip())
        except (ValueError, OverflowError) as error:
            faults.append(Fault(number, column, str(error)))
    return values if len(faults) == before else None
