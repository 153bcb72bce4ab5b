"""docs/behavior.md promises nothing that no test holds."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_named_in_the_contract_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "behavior.md").read_text()))
    sources = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    written = set(re.findall(r"^def (test_\w+)\(", sources, re.MULTILINE))
    assert named - written == set()
    assert len(named) > 50
