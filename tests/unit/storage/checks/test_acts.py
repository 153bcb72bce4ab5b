import pytest
from books import findings
from shop import NOON
from sqlalchemy import Engine

from puyun.kit.clock import DAY


def test_books_with_every_act_are_clean(engine: Engine) -> None:
    assert findings(engine, now=NOON) == []


CALL = "(SELECT min(call) FROM usage_record)"
REFUND = "(SELECT number FROM journal WHERE entry = 'refund' LIMIT 1)"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE wallet SET open_invoices = open_invoices + 1", {"A13"}),
        ("UPDATE invoice SET amount = amount + 1 WHERE number = 2", {"A13", "A17"}),
        ("UPDATE invoice SET state = 'paid' WHERE number = 2", {"A13", "A17"}),
        ("UPDATE invoice SET number = 3 WHERE number = 2", {"A13"}),
        ("UPDATE counter SET value = 3", {"A13"}),
        ("DELETE FROM invoice WHERE number = 1", {"A13", "A17"}),
        ("UPDATE dispute SET debt = debt + 1 WHERE ref = 'lost'", {"A17"}),
        ("UPDATE dispute SET state = 'open' WHERE ref = 'lost'", {"A13", "A17"}),
        ("UPDATE dispute SET amount = amount + 1 WHERE ref = 'won'", {"A17"}),
        ("DELETE FROM dispute WHERE ref = 'third'", {"A17"}),
        ("UPDATE payout SET amount = amount + 1 WHERE state = 'held'", {"A3"}),
        ("UPDATE payout SET amount = amount + 1 WHERE state = 'paid'", {"A17"}),
        ("UPDATE payout SET state = 'cancelled' WHERE state = 'paid'", {"A17"}),
        ("UPDATE payout SET state = 'paid' WHERE state = 'held'", {"A3", "A17"}),
        ("UPDATE redeem_code SET amount = amount + 1 WHERE used_by IS NOT NULL", {"A17"}),
        ("UPDATE redeem_code SET used_by = NULL", {"A17"}),
        ("UPDATE redeem_code SET used_by = 7", {"A17"}),
        ("UPDATE lot SET amount = amount + 1 WHERE number = 2", {"A14"}),
        ("DELETE FROM lot WHERE number = 2", {"A14"}),
        ("INSERT INTO lot (org, number, amount) VALUES (7, 1, 5)", {"A14"}),
        ("DELETE FROM refund", {"A16"}),
        ("UPDATE refund SET amount = amount + 1", {"A16"}),
        ("UPDATE refund SET from_bonus = from_bonus + 1", {"A16"}),
        (f"UPDATE refund SET call = call + 1 WHERE number = {REFUND}", {"A16"}),
        ("UPDATE posting_key SET ref = 'x' WHERE ref = 'code:1'", {"A12", "A17"}),
    ],
)
def test_each_kind_of_tampering_is_found(engine: Engine, tamper, statement: str, expected: set[str]) -> None:
    tamper(statement)
    assert {check for check, _, _ in findings(engine)} == expected


def test_more_cannot_be_refunded_than_was_charged(engine: Engine, tamper) -> None:
    tamper("UPDATE refund SET amount = 3500001, from_bonus = 1000001")
    assert [(check, message.partition(",")[0]) for check, _, message in findings(engine)] == [
        ("A16", "it is a refund of -2800001 more than is written down with its call"),
        ("A16", "it is a refund of -800001 more bonus than is written down with its call"),
        ("A16", "3500001 was given back"),
    ]


def test_a_hold_that_nobody_ends_is_named(engine: Engine, tamper) -> None:
    tamper("INSERT INTO hold SELECT 7, max(call) + 1, 0, 1, 1, 1, 2 FROM usage_record")
    assert findings(engine, now=NOON) == []
    assert [check for check, _, _ in findings(engine, now=NOON + 2 * DAY)] == ["A11"]
    tamper("DELETE FROM owner")
    assert [message for _, _, message in findings(engine)] == ["its hold belongs to process 1, which is none of ours"]


def test_a_balance_that_was_too_low_once_is_found_though_it_is_right_now(engine: Engine, tamper) -> None:
    tamper("UPDATE wallet SET credit_limit = 100, credit_peak = 100")
    found = [(check, where) for check, where, _ in findings(engine) if "stood" in _]
    assert found
    assert {check for check, _ in found} == {"A4"}
