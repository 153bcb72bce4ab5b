import pytest
from books import findings
from sqlalchemy import Engine

FIRST = "(SELECT min(call) FROM usage_record)"


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE price SET effective_from = effective_from + 60000000", "price 1 began later"),
        (
            f"UPDATE usage_record SET input = -4, output = 351 WHERE call = {FIRST}",
            "it counts tokens below zero",
        ),
        (
            "INSERT INTO price SELECT 9, model, tier, meter, 5, effective_from + 1000000, 1, '', '' FROM price WHERE id = 2",
            "prices 1 2 were not those in force when it began",
        ),
        ("INSERT INTO price_revocation (price, created_at) VALUES (1, 1)", "price 1 was revoked before it began"),
        (f"UPDATE usage_record SET input = 9000000000000000000 WHERE call = {FIRST}", "its exact cost is 3500000000"),
    ],
)
def test_prices_are_those_in_force_and_tokens_are_counts(engine: Engine, tamper, statement: str, message: str) -> None:
    tamper(statement)
    assert any(check == "A8" and text.startswith(message) for check, _, text in findings(engine))


def test_amounts_beyond_all_bounds_are_a_finding_and_no_crash(engine: Engine, tamper) -> None:
    tamper("UPDATE usage_record SET input = 9000000000000000000")
    assert ("A2", "their amounts add up beyond 63 bits, so no sum of theirs can be compared") in [
        (check, message) for check, _, message in findings(engine)
    ]


def test_a_price_may_begin_after_the_last_call_there_can_be(engine: Engine, tamper) -> None:
    tamper(f"INSERT INTO price SELECT 9, model, tier, meter, 5, {2**52}, 1, '', '' FROM price WHERE id = 2")
    assert findings(engine) == []
