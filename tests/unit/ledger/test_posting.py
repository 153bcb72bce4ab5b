import pytest
from hypothesis import given, strategies as st

from puyun.ledger.chart import ALLOWED, BONUS, GOODWILL, INVOICES, PAID, PROMO, Entry, family, processor, revenue
from puyun.ledger.posting import Line, allowed, effect

ACCOUNTS = (PAID, BONUS, INVOICES, PROMO, GOODWILL, revenue("flex"), processor("manual"))


@pytest.mark.parametrize("amount", [0, -1, -(10**18)])
def test_a_line_moves_something(amount: int) -> None:
    with pytest.raises(ValueError, match="positive amount"):
        Line(PAID, revenue("flex"), amount)


@pytest.mark.parametrize("account", ACCOUNTS)
def test_a_line_needs_two_accounts(account: str) -> None:
    with pytest.raises(ValueError, match="two accounts"):
        Line(account, account, 1)


@given(st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), st.integers(1, 10**18))
def test_what_a_line_gives_one_side_it_takes_from_the_other(debit: str, credit: str, amount: int) -> None:
    if debit == credit:
        return
    there, back = effect(Line(debit, credit, amount)), effect(Line(credit, debit, amount))
    assert (there[0] + back[0], there[1] + back[1]) == (0, 0)
    assert there.invoiced + back.invoiced == 0
    touched = {PAID, BONUS, INVOICES} & {debit, credit}
    assert there.count(0) == 3 - len(touched)


CHART = """
usage       wallet.paid       revenue:flex       yes
usage       wallet.bonus      revenue:test       yes
usage       revenue:flex      wallet.paid        no
usage       wallet.paid       goodwill           no
topup       processor:manual  wallet.paid        yes
topup       processor:stripe  wallet.paid        yes
topup       processor:manual  wallet.bonus       no
topup       promo             wallet.paid        no
bonus       promo             wallet.bonus       yes
bonus       promo             wallet.paid        no
adjustment  goodwill          wallet.paid        yes
adjustment  wallet.paid       goodwill           yes
adjustment  goodwill          wallet.bonus       yes
adjustment  wallet.bonus      goodwill           yes
adjustment  wallet.bonus      wallet.paid        no
refund      revenue:flex      wallet.paid        yes
refund      revenue:flex      wallet.bonus       yes
refund      wallet.paid       revenue:flex       no
refund      processor:manual  wallet.paid        no
topup       processor:stripe  tax:DE             yes
fee         fees              processor:stripe   yes
fee         wallet.paid       processor:stripe   no
redeem      promo             wallet.bonus       yes
redeem      suspense          wallet.paid        yes
redeem      promo             wallet.paid        no
sla         sla               wallet.bonus       yes
sla         sla               wallet.paid        yes
sla         goodwill          wallet.paid        no
expiry      wallet.bonus      promo              yes
expiry      wallet.paid       promo              no
correction  revenue:flex      wallet.paid        yes
correction  wallet.paid       revenue:flex       no
payout      wallet.paid       processor:stripe   yes
payout      wallet.bonus      processor:stripe   no
chargeback  wallet.paid       processor:stripe   yes
chargeback  wallet.bonus      processor:stripe   no
chargeback  receivable:disputes processor:stripe yes
chargeback  fees              processor:stripe   yes
chargeback_won processor:stripe wallet.paid      yes
chargeback_won processor:stripe receivable:disputes yes
chargeback_won processor:stripe fees             no
invoice     receivable:invoices wallet.paid      yes
invoice     bank:main         wallet.paid        no
invoice_paid bank:main        receivable:invoices yes
invoice_paid wallet.paid      receivable:invoices no
write_off   bad_debt          receivable:invoices yes
write_off   bad_debt          wallet.paid        no
"""


@pytest.mark.parametrize("row", CHART.strip().splitlines())
def test_the_chart_says_who_may_post_what(row: str) -> None:
    entry, debit, credit, answer = row.split()
    assert allowed(Entry(entry), debit, credit) == (answer == "yes")


def test_every_kind_of_transaction_moves_an_organization_s_money_or_debt_but_a_processor_s_fee() -> None:
    assert set(ALLOWED) == set(Entry)
    for entry, pairs in ALLOWED.items():
        assert pairs
        assert all({PAID, BONUS, "receivable"} & set(pair) or "tax" in pair for pair in pairs) or entry in {
            Entry.FEE,
            Entry.CHARGEBACK,
        }


def test_families() -> None:
    assert [family(account) for account in ACCOUNTS] == [
        PAID,
        BONUS,
        "receivable",
        PROMO,
        GOODWILL,
        "revenue",
        "processor",
    ]
