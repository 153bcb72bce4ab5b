import pytest

from puyun.ledger.audit import Derived, Flow, balance, not_allowed, wallet_differences
from puyun.ledger.book import Wallet
from puyun.ledger.chart import BONUS, DISPUTES, INVOICES, PAID

FLOWS = [
    Flow("topup", "processor:manual", PAID, 100),
    Flow("bonus", "promo", BONUS, 10),
    Flow("usage", BONUS, "revenue:flex", 4),
    Flow("usage", PAID, "revenue:flex", 130),
    Flow("invoice", INVOICES, PAID, 20),
    Flow("chargeback", DISPUTES, "processor:manual", 7),
]
DERIVED = Derived(held=3, invoiced=20, disputed=7)


def right(**changed: int) -> Wallet:
    return Wallet(7, **({"paid": -10, "bonus": 6, "held": 3, "credit_limit": 90, "open_invoices": 20} | changed))


def test_what_agrees_is_no_finding() -> None:
    assert list(wallet_differences(right(), FLOWS, DERIVED)) == []


@pytest.mark.parametrize(
    ("wallet", "derived", "expected"),
    [
        (right(paid=-9), DERIVED, [("A2", "paid is -9, derived -10, difference 1")]),
        (right(bonus=5), DERIVED, [("A2", "bonus is 5, derived 6, difference -1")]),
        (right(held=4), DERIVED, [("A3", "held is 4, derived 3, difference 1")]),
        (right(open_invoices=21), DERIVED, [("A13", "open_invoices is 21, derived 20, difference 1")]),
        (
            right(),
            Derived(held=3, invoiced=0, disputed=7),
            [("A13", "the balance of receivable:invoices is 20, derived 0, difference 20")],
        ),
        (
            right(),
            Derived(held=3, invoiced=20),
            [("A13", "the balance of receivable:disputes is 7, derived 0, difference 7")],
        ),
        (right(credit_limit=26), DERIVED, [("A4", "available is -1")]),
        (right(held=-1), DERIVED, [("A3", "held is -1, derived 3, difference -4"), ("A4", "held is -1")]),
    ],
)
def test_each_figure_that_differs_is_named_with_both_values(
    wallet: Wallet, derived: Derived, expected: list[tuple[str, str]]
) -> None:
    assert list(wallet_differences(wallet, FLOWS, derived)) == expected


def test_a_balance_is_credits_less_debits() -> None:
    assert [balance(FLOWS, account) for account in (PAID, BONUS, INVOICES, "revenue:flex")] == [-10, 6, -20, 134]


def test_the_chart_is_held_against_what_is_stored() -> None:
    assert [not_allowed(flow) for flow in FLOWS] == [None] * len(FLOWS)
    assert not_allowed(Flow("gift", "promo", BONUS, 1)) == "there is no kind of transaction 'gift'"
    assert not_allowed(Flow("topup", "promo", PAID, 1)) == "topup may not debit promo and credit wallet.paid"
