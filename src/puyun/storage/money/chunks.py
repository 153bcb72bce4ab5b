"""Reading many rows: as the driver makes them, since a row object each would cost more than the rest of an audit."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Executable


def chunks(connection: Connection, query: Executable, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Plain tuples, `size` at a time; only whole numbers and text, which both drivers make alike."""
    if connection.dialect.name != "sqlite":
        for rows in connection.execute(query, execution_options={"yield_per": size}).partitions():
            yield [tuple(row) for row in rows]
        return
    result = connection.execute(query)
    cursor = result.cursor
    assert cursor is not None
    while rows := cursor.fetchmany(size):
        yield [*rows]
    result.close()
