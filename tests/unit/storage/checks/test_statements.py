import pytest
from books import findings
from sqlalchemy import Engine

from puyun.pricing.statement import parse_month
from puyun.storage.reports.statements import close_month

NOVEMBER = parse_month("2026-11")


@pytest.mark.parametrize(
    ("statement", "others"),
    [
        ("UPDATE api_key SET member = NULL, name = 'x'", set()),
        ("UPDATE statement SET sha256 = 'x'", {"A14"}),
        ("UPDATE journal SET at = at + 3600000000 WHERE number = 1", {"A14"}),
        ("UPDATE rollup_hour SET calls = calls + 1", {"A14", "A6"}),
    ],
)
def test_a_statement_that_was_closed_comes_again_to_its_hash(
    engine: Engine, tamper, statement: str, others: set[str]
) -> None:
    close_month(engine, 7, NOVEMBER, NOVEMBER.end)
    assert findings(engine, statements=True) == []
    tamper(statement)
    found = findings(engine, statements=True)
    assert {check for check, _, _ in found} == others
    named = [where for check, where, _ in found if check == "A14" and where == "statement 2026-11"]
    assert named == ["statement 2026-11"] * ("SET at" not in statement and bool(others))
