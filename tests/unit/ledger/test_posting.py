import pytest
from hypothesis import given, strategies as st

from puyun.ledger.chart import ALLOWED, BONUS, GOODWILL, PAID, PROMO, Entry, family, processor, revenue
from puyun.ledger.posting import Line, allowed, effect

ACCOUNTS = (PAID, BONUS, PROMO, GOODWILL, revenue("flex"), processor("manual"))


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
    touched = {PAID, BONUS} & {debit, credit}
    assert there.count(0) == 2 - len(touched)


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
"""


@pytest.mark.parametrize("row", CHART.strip().splitlines())
def test_the_chart_says_who_may_post_what(row: str) -> None:
    entry, debit, credit, answer = row.split()
    assert allowed(Entry(entry), debit, credit) == (answer == "yes")


def test_every_kind_of_transaction_moves_an_organization_s_money() -> None:
    assert set(ALLOWED) == set(Entry)
    for pairs in ALLOWED.values():
        assert pairs
        assert all({PAID, BONUS} & set(pair) for pair in pairs)


def test_families() -> None:
    assert [family(account) for account in ACCOUNTS] == [PAID, BONUS, PROMO, GOODWILL, "revenue", "processor"]
