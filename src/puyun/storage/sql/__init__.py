"""Named SQL: each statement stands in a .sql file under `-- name:`, with the reason for it in comments."""

import re
from functools import cache
from importlib.resources import files

from puyun.metering.usage import BUCKETS

_BUCKETS = {
    "{buckets}": ", ".join(BUCKETS),
    "{bucket_sums}": ", ".join(f"{bucket} = rollup_hour.{bucket} + excluded.{bucket}" for bucket in BUCKETS),
}

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def statements(file: str) -> dict[str, str]:
    """Every statement of a file by name, comments removed, the buckets' columns filled in."""
    parts = _NAME.split((files(__name__) / f"{file}.sql").read_text("utf-8"))
    return {name: _without_comments(body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


@cache
def with_rows(statement: str, rows: int, columns: int) -> str:
    """The statement for this many rows; cached, so that the driver finds its prepared form again."""
    row = ", ".join("?" * columns)
    return statement.replace("{rows}", ", ".join([f"({row})" if columns > 1 else row] * rows))


_TYPES = {"numbers": "int8", "texts": "text", "blobs": "bytea"}
_ARRAYS = re.compile(r"\{(numbers|texts|blobs):(\w+)\}")


@cache
def with_arrays(statement: str) -> str:
    """The statement with an array parameter for each column of its rows: `{numbers:10}`, `{numbers:buckets}`."""

    def arrays(mark: re.Match[str]) -> str:
        kind = f"%s::{_TYPES[mark[1]]}[]"
        return ", ".join([kind] * (len(BUCKETS) if mark[2] == "buckets" else int(mark[2])))

    return _ARRAYS.sub(arrays, statement)


def _without_comments(body: str) -> str:
    lines = [line for line in body.splitlines() if not line.startswith("--")]
    statement = " ".join(" ".join(lines).split()).removesuffix(";")
    for mark, columns in _BUCKETS.items():
        statement = statement.replace(mark, columns)
    return statement
