"""docs/behavior.md and docs/concepts/policies.md promise nothing that no test holds."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


DOCS = ROOT / "docs"


def written() -> set[str]:
    sources = "".join(file.read_text() for file in (ROOT / "tests").rglob("test_*.py"))
    return set(re.findall(r"^def (test_\w+)\(", sources, re.MULTILINE))


def test_every_test_named_in_the_contract_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "behavior.md").read_text()))
    assert named - written() == set()
    assert len(named) > 50


def test_every_policy_is_held_by_a_test() -> None:
    rows = re.findall(
        r"^\| ([0-9]+) \| .+ \| (`test_.+) \|$", (DOCS / "concepts" / "policies.md").read_text(), re.MULTILINE
    )
    assert [int(number) for number, _ in rows] == list(range(1, 23))
    named = {name for _, names in rows for name in re.findall(r"`(test_\w+)`", names)}
    assert named - written() == set()
