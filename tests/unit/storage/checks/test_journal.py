"""What the database finds odd in a journal is walked through, and named; what only looks odd is not."""

import pytest
from books import findings
from sqlalchemy import Engine

GAP = "its lines are not numbered from 0 without a gap; the first is 0"


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE journal SET line = 3 WHERE line = 1 AND number = 4", ("A1", "transaction 4", GAP)),
        ("UPDATE journal SET line = -1 WHERE line = 1 AND number = 4", ("A1", "transaction 4", GAP[:-1] + "-1")),
        ("UPDATE journal SET number = 0 WHERE number = 1", ("A1", "transaction 0", "it follows transaction 0")),
        ("UPDATE journal SET amount = 0 WHERE number = 2", ("A1", "transaction 2", "a line moves 0")),
    ],
)
def test_a_journal_out_of_order_is_walked_through(
    engine: Engine, tamper, statement: str, found: tuple[str, str, str]
) -> None:
    tamper(statement)
    assert found in findings(engine)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE wallet SET credit_limit = 0, credit_peak = 0", "below its credit limit"),
        ("UPDATE journal SET debit = 'promo', credit = 'wallet.paid', entry = 'topup' WHERE number = 2", "bonus was -"),
    ],
)
def test_a_balance_that_was_too_low_in_between_is_named(engine: Engine, tamper, statement: str, says: str) -> None:
    tamper(statement)
    low = [(where, message) for check, where, message in findings(engine) if check == "A4"]
    assert any(where.startswith("transaction ") and says in message for where, message in low)


def test_a_transaction_whose_lines_dip_below_zero_but_not_their_sum_is_none(engine: Engine, tamper) -> None:
    """Whatever the order of its lines, a transaction moves at once."""
    back = "1, entry, credit, debit, amount + 1"
    again = "2, entry, debit, credit, amount + 1"
    for line in (back, again):
        tamper(
            f"INSERT INTO journal SELECT org, number, {line}, at, ref, note FROM journal WHERE number = 1 AND line = 0"
        )
    assert "A4" not in {check for check, _, _ in findings(engine)}
