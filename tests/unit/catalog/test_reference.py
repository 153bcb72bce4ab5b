"""docs/reference/catalogue.md says what the code does."""

import re
from pathlib import Path

import pytest

from puyun.catalog import file
from puyun.catalog.diff import describe, diff
from puyun.catalog.model import CatalogFile
from puyun.catalog.validate import check
from puyun.kit.clock import parse_instant

REFERENCE = (Path(__file__).parents[3] / "docs/reference/catalogue.md").read_text("utf-8")
NOW = parse_instant("2026-11-25T00:00:00Z")


def test_the_example_is_a_catalogue_without_fault() -> None:
    [example] = re.findall(r"```toml\n(.*?)```", REFERENCE, re.DOTALL)
    catalogue = file.parse(example)
    assert check(catalogue, None, NOW) == []
    lines = describe(diff(CatalogFile(), catalogue, NOW))
    assert "+ model gpt-4o" in lines
    assert lines[-3] == "~ price gpt-4o flex output 10.00 → 9.00 from 2099-12-01T00:00:00Z"
    assert all(f"`{line}`" in REFERENCE for line in (lines[2], lines[-3]))


@pytest.mark.parametrize("readers", [file._PROVIDER, file._DEPLOYMENT, file._MODEL, file._PRICE, file._COST])
def test_every_key_is_explained(readers: dict[str, object]) -> None:
    assert [key for key in readers if f"`{key}`" not in REFERENCE] == []
