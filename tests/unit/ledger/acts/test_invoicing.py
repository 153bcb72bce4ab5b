import pytest
from postings import ACT, NOBODY, rows, spelled

from puyun.ledger.acts.invoicing import Invoice, issued, paid, written_off

TABLE = """
issue 50 owed=50      | invoice issue:k: receivable:invoices > wallet.paid 50
issue 20 owed=50      | invoice issue:k: receivable:invoices > wallet.paid 20
issue 51 owed=50      | refused owed 51 of 50
issue 1 owed=-50      | refused owed 1 of 0
issue 0 owed=0        | refused nothing 0 of 0
issue -50 owed=-50    | refused nothing -50 of 0
issue 0 owed=50       | refused amount 0 of 50
pay 50                | invoice_paid invoice:4:paid: bank:main > receivable:invoices 50
write-off 50 bob      | write_off invoice:4:written-off: bad_debt > receivable:invoices 50
write-off 50 ann      | refused second_person 0 of 0
write-off 50          | refused second_person 0 of 0
write-off-by-nobody 5 | refused why 0 of 0
"""


@pytest.mark.parametrize(("asked", "answer"), rows(TABLE))
def test_invoices(asked: list[str], answer: str) -> None:
    verb, amount, *words = asked
    invoice = Invoice(number=4, org=7, amount=int(amount))
    if verb == "issue":
        assert spelled(issued(7, int(amount), int(words[0].removeprefix("owed=")), ACT)) == answer
    elif verb == "pay":
        assert spelled(paid(invoice, "main", ACT)) == answer
    else:
        act = NOBODY if "nobody" in verb else ACT
        assert spelled(written_off(invoice, words[0] if words else "", act)) == answer


def test_a_write_off_names_both_persons() -> None:
    assert written_off(Invoice(number=4, org=7, amount=5), "bob", ACT).by == "ann, approved by bob"
